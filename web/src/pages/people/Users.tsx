export function Page() {
  return <h2>Users</h2>;
}

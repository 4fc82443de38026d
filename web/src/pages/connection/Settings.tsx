export function Page() {
  return <h2>Settings</h2>;
}

export function Page() {
  return <h2>Wall</h2>;
}

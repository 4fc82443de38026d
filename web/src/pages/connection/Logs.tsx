export function Page() {
  return <h2>Logs</h2>;
}

export function Page() {
  return <h2>Alerts</h2>;
}

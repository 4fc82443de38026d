export function Page() {
  return <h2>Downtime</h2>;
}

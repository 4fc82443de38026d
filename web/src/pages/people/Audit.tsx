export function Page() {
  return <h2>Audit</h2>;
}

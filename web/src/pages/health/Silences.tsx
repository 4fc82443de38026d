export function Page() {
  return <h2>Silences</h2>;
}

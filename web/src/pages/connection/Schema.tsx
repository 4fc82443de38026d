export function Page() {
  return <h2>Schema</h2>;
}

export function Page() {
  return <h2>State</h2>;
}

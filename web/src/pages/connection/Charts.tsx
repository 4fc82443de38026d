export function Page() {
  return <h2>Charts</h2>;
}

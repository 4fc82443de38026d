export function Page() {
  return <h2>Timeline</h2>;
}

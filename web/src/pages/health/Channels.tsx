export function Page() {
  return <h2>Channels</h2>;
}

export function Page() {
  return <h2>Streams</h2>;
}

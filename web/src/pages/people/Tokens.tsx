export function Page() {
  return <h2>Tokens</h2>;
}

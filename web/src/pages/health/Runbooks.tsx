export function Page() {
  return <h2>Runbooks</h2>;
}

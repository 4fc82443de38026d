export function Page() {
  return <h2>Rota</h2>;
}

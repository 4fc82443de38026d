// Sets the theme before anything is painted, so that nothing flashes.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem('sluice-theme');
  } catch {
    // Storage is forbidden: the system's theme it is.
  }
  var dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
})();

// What must be so before anything is painted or run.
(function () {
  // Texts without markup may go where markup could: styles do. Others never.
  if (window.trustedTypes) {
    window.trustedTypes.createPolicy('default', {
      createHTML: function (text) {
        return /[<&]/.test(text) ? null : text;
      },
    });
  }
  var chosen = null;
  try {
    chosen = localStorage.getItem('sluice-theme');
  } catch {
    // Storage is forbidden: the system's theme it is.
  }
  var dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
})();

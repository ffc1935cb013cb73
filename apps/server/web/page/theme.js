// Runs before the first paint. A theme chosen by hand goes before the system's.
{
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const stored = () => {
    try { return localStorage.getItem('corogate.theme'); } catch { return null; }
  };
  const apply = () => {
    const chosen = stored();
    root.dataset.theme = chosen === 'light' || chosen === 'dark' ? chosen : system.matches ? 'dark' : 'light';
  };
  system.addEventListener('change', apply);
  apply();
}

import { Button, createTheme, Drawer, defaultVariantColorsResolver, Input, Menu, Modal, Notification, Tooltip, type MantineColorsTuple, type VariantColorsResolver } from '@mantine/core';

const teal: MantineColorsTuple = ['#e3f6f8', '#cdecf0', '#a3dbe2', '#76c8d3', '#4cb7c6', '#2fa5b6', '#178fa1', '#0a7c8e', '#0a6f80', '#085a68'];

const dark: MantineColorsTuple = ['#e3eaef', '#c3ced6', '#a5b4bf', '#8e9eaa', '#364753', '#202c35', '#151e26', '#121a21', '#0c1217', '#080d11'];

/** Buttons and their like in the colours of tokens.css, which have their contrast in both themes. */
const colours: VariantColorsResolver = (input) => {
  const color = input.color ?? 'teal';
  const none = '1px solid transparent';
  if (color === 'teal' && input.variant === 'filled') return { background: 'var(--accent)', hover: 'var(--accent-strong)', color: 'var(--on-accent)', border: none };
  if (color === 'teal' && input.variant === 'light') return { background: 'var(--accent-soft)', hover: 'var(--selected)', color: 'var(--accent-strong)', border: none };
  if (color === 'teal' && input.variant === 'subtle') return { background: 'transparent', hover: 'var(--hover)', color: 'var(--accent)', border: none };
  if (color === 'gray' && input.variant === 'subtle') return { background: 'transparent', hover: 'var(--hover)', color: 'var(--dim)', border: none };
  if (color === 'red' && input.variant === 'filled') return { background: 'var(--danger)', hover: 'var(--danger-strong)', color: '#fff', border: none };
  if (color === 'red' && (input.variant === 'light' || input.variant === 'subtle')) return { background: input.variant === 'light' ? 'var(--down-soft)' : 'transparent', hover: 'var(--down-soft)', color: 'var(--down)', border: none };
  return defaultVariantColorsResolver(input);
};

/** The heading of a dialog is no banner of the page. */
const notBanner = { role: 'none' };

/** Mantine's part of the look; the colours that pages use are in tokens.css. */
export const theme = createTheme({
  primaryColor: 'teal',
  primaryShade: { light: 8, dark: 4 },
  variantColorResolver: colours,
  autoContrast: true,
  luminanceThreshold: 0.32,
  colors: { teal, dark },
  fontFamily: 'var(--font)',
  fontFamilyMonospace: 'var(--mono)',
  fontSizes: { xs: '12px', sm: '13.5px', md: '14px', lg: '16px', xl: '20px' },
  lineHeights: { xs: '16px', sm: '20px', md: '20px', lg: '24px', xl: '28px' },
  spacing: { xs: '8px', sm: '12px', md: '16px', lg: '24px', xl: '32px' },
  radius: { xs: '3px', sm: '5px', md: '6px', lg: '8px', xl: '12px' },
  defaultRadius: 'sm',
  cursorType: 'pointer',
  focusRing: 'auto',
  respectReducedMotion: true,
  headings: { fontFamily: 'var(--font)', fontWeight: '600' },
  components: {
    Button: Button.extend({ defaultProps: { size: 'xs' } }),
    Input: Input.extend({ defaultProps: { size: 'xs' } }),
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 250, withArrow: false, events: { hover: true, focus: true, touch: true } } }),
    // Without what is no item of a menu: its first item has the keys when it opens.
    Menu: Menu.extend({ defaultProps: { withInitialFocusPlaceholder: false } }),
    Modal: Modal.extend({ defaultProps: { centered: true, overlayProps: { color: 'var(--veil)', backgroundOpacity: 1 }, closeButtonProps: { 'aria-label': 'Close' }, attributes: { header: notBanner } } }),
    Notification: Notification.extend({ defaultProps: { closeButtonProps: { 'aria-label': 'Dismiss' } } }),
    Drawer: Drawer.extend({ defaultProps: { attributes: { header: notBanner } } }),
  },
});

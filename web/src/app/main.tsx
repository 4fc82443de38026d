import './layers.css';
import '@mantine/core/styles.layer.css';
import '@mantine/notifications/styles.layer.css';
import './tokens.css';
import './base.css';
import { localStorageColorSchemeManager, MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { onSignedOut } from '../api/client';
import { meQuery } from '../api/me';
import { queryClient } from './queryClient';
import { makeRouter } from './router';
import { theme } from './theme';

const router = makeRouter(queryClient);
onSignedOut(() => {
  // Answers come late, too: what the sign-in page is waiting for by then must not be dropped.
  if (!queryClient.getQueryData(meQuery.queryKey)) return;
  queryClient.clear();
  void router.invalidate();
});

// Styles that are made at run time carry the nonce of this answer.
const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';
// Dialogs lock scrolling with a style that takes its nonce from this name.
Object.assign(window, { __webpack_nonce__: nonce });
const colours = localStorageColorSchemeManager({ key: 'sluice-theme' });

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" colorSchemeManager={colours} getStyleNonce={() => nonce}>
      <Notifications position="bottom-right" />
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);

import { ActionIcon, Drawer, Kbd, Menu, UnstyledButton } from '@mantine/core';
import { useDisclosure, useHotkeys } from '@mantine/hooks';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useLocation, useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useRef } from 'react';
import { api } from '../api/client';
import { may, useMe } from '../api/me';
import { IconChevronDown, IconKey, IconMenu, IconSearch, IconSignOut, IconUser } from '../ui/icons';
import { useUrl } from '../ui/useUrl';
import { Banner } from './Banner';
import classes from './Shell.module.css';
import { ThemeSwitch } from './ThemeSwitch';
import { useLive } from './live';
import { places } from './nav';

const Palette = lazy(() => import('./Palette'));

/** What surrounds every page of who is signed in. A wall display has no surroundings. */
export function Shell() {
  const live = useLive();
  const [url] = useUrl();
  const [menu, { open: openMenu, close: closeMenu }] = useDisclosure();
  const [palette, { open: openPalette, close: closePalette, toggle: togglePalette }] = useDisclosure();
  useHotkeys([['mod+K', togglePalette]], []);
  const main = useFocusOnMove();
  const wall = url.display === 'wall';
  return (
    <div className={classes.shell} data-wall={wall || undefined}>
      <a href="#main" className={classes.skip} onClick={(e) => { e.preventDefault(); main.current?.focus(); }}>
        Skip to the page
      </a>
      {!wall && (
        <header className={classes.bar}>
          <ActionIcon variant="subtle" color="gray" aria-label="Menu" onClick={openMenu}>
            <IconMenu size={18} />
          </ActionIcon>
          <Brand />
          <ActionIcon variant="subtle" color="gray" aria-label="Search and commands" onClick={openPalette}>
            <IconSearch size={18} />
          </ActionIcon>
        </header>
      )}
      {!wall && (
        <header className={classes.rail}>
          <Rail onSearch={openPalette} />
        </header>
      )}
      <Drawer opened={menu} onClose={closeMenu} size={260} title={<Brand />} padding="sm" closeButtonProps={{ 'aria-label': 'Close the menu' }}>
        {/* A link was followed: the drawer has done its work. */}
        {/* eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions */}
        <div onClick={(e) => (e.target as HTMLElement).closest('a') && closeMenu()}>
          <Rail bare onSearch={() => { closeMenu(); openPalette(); }} />
        </div>
      </Drawer>
      <main id="main" ref={main} tabIndex={-1} className={classes.main}>
        <Banner live={live} />
        <Outlet />
      </main>
      {palette && (
        <Suspense>
          <Palette onClose={closePalette} />
        </Suspense>
      )}
    </div>
  );
}

/** Puts the focus on the page when one moves to another, so that readers say so. */
function useFocusOnMove() {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const before = useRef(pathname);
  useEffect(() => {
    if (before.current === pathname) return;
    before.current = pathname;
    main.current?.focus({ preventScroll: true });
  }, [pathname]);
  return main;
}

function Brand() {
  return (
    <Link to="/" className={classes.brand}>
      <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden>
        <rect width="32" height="32" rx="7" fill="var(--accent)" />
        <path d="M7 11c3 0 3 2.5 6 2.5S16 11 19 11s3 2.5 6 2.5M7 17c3 0 3 2.5 6 2.5s3-2.5 6-2.5 3 2.5 6 2.5M7 23h18" fill="none" stroke="var(--on-accent)" strokeWidth="2.4" strokeLinecap="round" />
      </svg>
      Sluice
    </Link>
  );
}

function Rail({ onSearch, bare }: { onSearch: () => void; bare?: boolean }) {
  const me = useMe();
  return (
    <>
      {!bare && (
        <div className={classes.top}>
          <Brand />
        </div>
      )}
      <UnstyledButton className={classes.search} onClick={onSearch}>
        <IconSearch size={14} aria-hidden />
        <span className="grow">Search</span>
        <Kbd size="xs">{/Mac|iPhone|iPad/.test(navigator.userAgent) ? '⌘ K' : 'Ctrl K'}</Kbd>
      </UnstyledButton>
      <nav aria-label="Main" className={classes.nav}>
        {places
          .filter((p) => !p.needs || may(me, p.needs) || p.to === '/people')
          .map((p) => (
            <Link key={p.to} to={p.to} activeOptions={{ exact: p.to === '/', includeSearch: false }} className={classes.place}>
              <p.icon size={17} stroke={1.6} aria-hidden />
              {p.label}
            </Link>
          ))}
      </nav>
      <div className={classes.foot}>
        <ThemeSwitch />
        <UserMenu />
      </div>
    </>
  );
}

function UserMenu() {
  const me = useMe();
  const client = useQueryClient();
  const navigate = useNavigate();
  const signOut = useMutation({
    mutationFn: () => api.POST('/api/v1/auth/sign-out'),
    onSuccess: async () => {
      client.clear();
      await navigate({ to: '/sign-in' });
    },
  });
  const name = me.user?.name || me.name;
  return (
    <Menu position="top-start" width={210} withinPortal>
      <Menu.Target>
        <UnstyledButton className={classes.user} aria-label={`${name}, ${me.role}: your account`}>
          <span className={classes.face} aria-hidden>
            {name.slice(0, 1).toUpperCase()}
          </span>
          <span className="cut grow">{name}</span>
          <IconChevronDown size={13} aria-hidden />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {me.name} · {me.role}
        </Menu.Label>
        <Menu.Item component={Link} to="/account" leftSection={<IconUser size={15} />}>
          Account and sessions
        </Menu.Item>
        <Menu.Item component={Link} to="/people/tokens" leftSection={<IconKey size={15} />}>
          API tokens
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item onClick={() => signOut.mutate()} disabled={signOut.isPending} leftSection={<IconSignOut size={15} />}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}


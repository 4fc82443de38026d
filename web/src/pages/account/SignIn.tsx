import { Button, Divider, PasswordInput, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { useState } from 'react';
import { api, body, setCsrfToken } from '../../api/client';
import { signInQuery } from '../../api/me';
import { ErrorState, Load, sentence } from '../../ui/States';
import { useUrl } from '../../ui/useUrl';
import { Door } from './Door';

/** Only ways of this site lead on from here. */
export function safeWay(to: string | undefined): string {
  return to && /^\/(?![/\\])/.test(to) ? to : '/';
}

export function Page() {
  const [url] = useUrl();
  const to = safeWay(url.to);
  const ways = useQuery(signInQuery);
  return (
    <Door title="Sign in to Sluice">
      <Load query={ways} lines={3}>
        {(w) => (
          <>
            {w.owner && <p className="dim">Nobody owns this installation yet. Open the one-time link that Sluice printed when it started; it makes the owner’s account.</p>}
            {w.oidc && (
              <Button component="a" href={`/api/v1/auth/oidc/start?return_to=${encodeURIComponent(to)}`} size="sm" variant={w.password ? 'default' : 'filled'} fullWidth>
                Sign in with single sign-on
              </Button>
            )}
            {w.oidc && w.password && <Divider label="or" />}
            {w.password && !w.owner && <PasswordForm to={to} />}
          </>
        )}
      </Load>
      {url.error && <ErrorState error={sentence(url.error)} what="You are not signed in" />}
    </Door>
  );
}

function PasswordForm({ to }: { to: string }) {
  const client = useQueryClient();
  const router = useRouter();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const signIn = useMutation({
    mutationFn: () => body(api.POST('/api/v1/auth/sign-in', { body: { email: email.trim(), password } })),
    onSuccess: (me) => {
      client.clear();
      setCsrfToken(me.csrf_token);
      router.history.push(to);
    },
  });
  return (
    <form
      className="stack"
      onSubmit={(e) => {
        e.preventDefault();
        signIn.mutate();
      }}
    >
      <TextInput size="sm" withAsterisk={false} label="E-mail" type="email" name="email" autoComplete="username" required value={email} onChange={(e) => setEmail(e.currentTarget.value)} autoFocus />
      <PasswordInput size="sm" withAsterisk={false} label="Password" name="password" autoComplete="current-password" required value={password} onChange={(e) => setPassword(e.currentTarget.value)} visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }} />
      {signIn.error && <ErrorState error={signIn.error} what="You are not signed in" />}
      <Button type="submit" size="sm" loading={signIn.isPending} fullWidth>
        Sign in
      </Button>
    </form>
  );
}

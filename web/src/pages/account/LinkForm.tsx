import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { useState } from 'react';
import { api, body, setCsrfToken } from '../../api/client';
import { ErrorState } from '../../ui/States';
import { Door } from './Door';

const shortest = 12;

/**
 * The secret of a one-time link. It is in the fragment, which no server sees and no
 * log keeps, and leaves the address at once.
 */
function takeSecret(): string {
  const secret = decodeURIComponent(location.hash.slice(1));
  if (secret) history.replaceState(history.state, '', location.pathname);
  return secret;
}

let kept = '';

/** The page behind a one-time link: the owner's account, or a new password. */
export function LinkForm({ owner }: { owner: boolean }) {
  const [secret] = useState(() => (kept = takeSecret() || kept));
  const [email, setEmail] = useState('');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const client = useQueryClient();
  const router = useRouter();
  const send = useMutation({
    mutationFn: () =>
      owner
        ? body(api.POST('/api/v1/auth/owner', { body: { secret, password, email: email.trim(), ...(name.trim() ? { name: name.trim() } : {}) } }))
        : body(api.POST('/api/v1/auth/password-link', { body: { secret, password } })),
    onSuccess: (me) => {
      kept = '';
      client.clear();
      setCsrfToken(me.csrf_token);
      router.history.replace('/');
    },
  });
  const missing = shortest - password.length;
  return (
    <Door
      title={owner ? 'Make the owner’s account' : 'Choose a password'}
      what={owner ? 'Nobody owns this installation yet. Its owner can do everything, and let others in.' : 'It takes the place of the one before and ends all your other sessions.'}
    >
      {secret === '' ? (
        <p>The link is not complete: open it as Sluice printed it, with all that follows the #.</p>
      ) : (
        <form
          className="stack"
          onSubmit={(e) => {
            e.preventDefault();
            if (missing <= 0) send.mutate();
          }}
        >
          {owner && (
            <>
              <TextInput size="sm" withAsterisk={false} label="E-mail" type="email" autoComplete="username" required value={email} onChange={(e) => setEmail(e.currentTarget.value)} autoFocus />
              <TextInput size="sm" withAsterisk={false} label="Name" autoComplete="name" value={name} onChange={(e) => setName(e.currentTarget.value)} />
            </>
          )}
          <PasswordInput
            size="sm"
            withAsterisk={false}
            label="Password"
            description="At least 12 characters; a few unrelated words do best."
            autoComplete="new-password"
            required
            value={password}
            onChange={(e) => setPassword(e.currentTarget.value)}
            error={password !== '' && missing > 0 ? `${missing} more ${missing === 1 ? 'character' : 'characters'}` : undefined}
            visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }}
          />
          {send.error && <ErrorState error={send.error} what={owner ? 'The account was not made' : 'The password was not set'} />}
          <Button type="submit" size="sm" loading={send.isPending} fullWidth>
            {owner ? 'Make the account' : 'Set the password'}
          </Button>
        </form>
      )}
    </Door>
  );
}

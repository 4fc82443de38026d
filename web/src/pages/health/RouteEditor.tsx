import { Button, Checkbox, Modal, MultiSelect, TagsInput, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, body } from '../../api/client';
import { endsQuery } from '../../api/outward';
import { CopyAs } from '../../ui/CopyAs';
import { faultAt, useChange } from '../../ui/useChange';
import { MatcherFields } from './MatcherFields';
import { cleanRoute, routeFault, type Route } from './routes';

interface Props {
  routes: readonly Route[];
  /** The place of the route; past the end: a new one. */
  at: number;
  etag: string;
  onClose: () => void;
}

/** Makes a route, or changes one. All routes are kept together: one that somebody else changed meanwhile is not lost. */
export function RouteEditor({ routes, at, etag, onClose }: Props) {
  const was = routes[at];
  const channels = useQuery(endsQuery('channels'));
  const [route, setRoute] = useState<Route>(was ?? { name: '', channels: [] });
  const set = (change: { [K in keyof Route]?: Route[K] | undefined }) => setRoute({ ...route, ...change });
  const fault = routeFault(route, routes.toSpliced(at, 1).map((r) => r.name));
  const next = routes.toSpliced(at, 1, cleanRoute(route));
  const save = useRoutes(etag, was ? `The route ${route.name.trim()} is changed` : `The route ${route.name.trim()} is made`, onClose);
  const remove = useRoutes(etag, 'The route is gone', onClose);
  return (
    <Modal opened onClose={onClose} title={was ? `Route ${was.name}` : 'New route'} size="lg">
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          save.mutate(next);
        }}
      >
        <TextInput label="Name" value={route.name} onChange={(e) => set({ name: e.currentTarget.value })} required data-autofocus error={route.name !== '' && fault?.includes('name') ? fault : undefined} />
        <MatcherFields value={route.match ?? []} onChange={(match) => set({ match })} />
        <MultiSelect
          label="Tells"
          description={channels.data?.length === 0 ? 'There is no channel yet: make one under Channels.' : undefined}
          data={(channels.data ?? []).map((c) => ({ value: c.id, label: c.name }))}
          value={route.channels}
          onChange={(v) => set({ channels: v })}
          required
        />
        <TagsInput label="As one, where alike in" description="Alerts that are alike in all of these are told together." inputWrapperOrder={['label', 'input', 'description']} placeholder={route.group_by?.length ? undefined : 'rule'} data={['rule', 'team', 'connector', 'region', 'severity', 'connection']} value={route.group_by ?? []} onChange={(v) => set({ group_by: v })} acceptValueOnBlur />
        <div className="row wrap" style={{ alignItems: 'flex-start' }}>
          <TextInput className="grow" label="Wait for others" placeholder="30s" value={route.group_wait ?? ''} error={faultAt(save.error, `routes[${at}].group_wait`)} onChange={(e) => set({ group_wait: e.currentTarget.value })} />
          <TextInput className="grow" label="Between two messages" placeholder="5m" value={route.group_interval ?? ''} error={faultAt(save.error, `routes[${at}].group_interval`)} onChange={(e) => set({ group_interval: e.currentTarget.value })} />
          <TextInput className="grow" label="Tell again after" placeholder="4h" value={route.repeat ?? ''} error={faultAt(save.error, `routes[${at}].repeat`)} onChange={(e) => set({ repeat: e.currentTarget.value })} />
        </div>
        <Checkbox label="The routes after it are tried, too" checked={route.continue ?? false} onChange={(e) => set({ continue: e.currentTarget.checked })} />
        <div className="row wrap">
          <Button type="submit" loading={save.isPending} disabled={fault !== undefined}>
            {was ? 'Save' : 'Make the route'}
          </Button>
          <CopyAs call={{ method: 'PUT', path: '/api/v1/alert-routes', body: { routes: next } }} />
          {fault && route.name !== '' && !fault.includes('name') && <span className="dim">{fault}</span>}
          {was && (
            <Button variant="subtle" color="red" loading={remove.isPending} onClick={() => remove.mutate(routes.toSpliced(at, 1))}>
              Delete the route
            </Button>
          )}
        </div>
      </form>
    </Modal>
  );
}

/** Sets all routes, in their order, if they are still those of the tag. */
export function useRoutes(etag: string, done: string, after?: () => void) {
  return useChange<Route[]>(['alerts'], (routes) => body(api.PUT('/api/v1/alert-routes', { params: { header: { 'If-Match': etag } }, body: { routes } })), done, after);
}

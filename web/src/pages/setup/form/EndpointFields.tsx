import { TextInput } from '@mantine/core';
import { ErrorState } from '../../../ui/States';
import { asApiError } from '../../../api/client';
import { noun } from '../model/endpoints';
import { CheckPanel } from './CheckPanel';
import { SchemaForm } from './SchemaForm';
import type { EndpointForm } from './useEndpointForm';
import classes from './EndpointFields.module.css';

/** The name, the settings and the check of a source or destination. */
export function EndpointFields({ form, disabled }: { form: EndpointForm; disabled?: boolean }) {
  const unplaced = form.saveError && Object.keys(form.errors).filter((e) => e !== '').length === 0;
  return (
    <div className={classes.form}>
      <SchemaForm schema={form.kind.schema} value={form.value} onChange={form.setValue} errors={form.errors} kept={form.kept} onLeft={form.onLeft} disabled={disabled} />
      <TextInput
        id="name"
        label="Name"
        size="sm"
        withAsterisk
        aria-required
        disabled={disabled}
        description={`What people will call this ${noun[form.role]} here.`}
        inputWrapperOrder={['label', 'input', 'error', 'description']}
        value={form.name}
        error={form.errors.name}
        onChange={(e) => form.setName(e.currentTarget.value)}
        autoComplete="off"
        maxLength={200}
      />
      {!disabled && form.trying && <CheckPanel check={form.check} onTry={() => void form.runCheck()} system={form.kind.title} missing={form.missing} />}
      {form.errors[''] && <p className={classes.wrong}>{form.errors['']}</p>}
      {unplaced ? <ErrorState error={asApiError(form.saveError)} what="It was not saved" /> : null}
    </div>
  );
}

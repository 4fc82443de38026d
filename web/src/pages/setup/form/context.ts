import { createContext, useContext } from 'react';
import type { FieldMessages } from '../model/schema';

/** What the fields of a form share. */
export interface FormState {
  errors: FieldMessages;
  /** Paths of secrets that the server keeps; their values are never read back. */
  kept: ReadonlyMap<string, string | undefined>;
  /** Called when one has left a field: from then on what is wrong with it is said. */
  left: (id: string) => void;
  disabled: boolean;
}

export const FormContext = createContext<FormState>({ errors: {}, kept: new Map(), left: () => {}, disabled: false });
export const useForm = (): FormState => useContext(FormContext);

// A message that the person writes, until it is stored.
import { signal } from '@preact/signals';
import { faultText, server } from './api/server-requests.ts';

export interface Draft {
  readonly to?: string;
  /** The message that it answers. */
  readonly answers?: { readonly id: string; readonly number: number };
}

export interface SentNote {
  readonly isFault: boolean;
  readonly text: string;
}

/** The last message that was stored, until it was seen. */
export const lastSent = signal<{ readonly to: string; readonly number: number } | undefined>(
  undefined,
);

/** undefined: the dialog is closed. */
export const draft = signal<Draft | undefined>(undefined);

export function openDraft(given: Draft): void {
  draft.value = given;
}

/** `id`: chosen once for a text, so that sending it again after a lost answer stores it once. */
export async function send(
  to: string,
  text: string,
  answers: string | undefined,
  id: string,
): Promise<SentNote> {
  try {
    const posted = await server.post({ to, text, id, ...(answers !== undefined && { answers }) });
    lastSent.value = { to, number: posted.number };
    return { isFault: false, text: `stored as #${posted.number}` };
  } catch (fault) {
    return { isFault: true, text: faultText(fault) };
  }
}

/** An id of the page's own, as a caller may choose one. */
export function newPostId(): string {
  return `page-${crypto.randomUUID()}`;
}

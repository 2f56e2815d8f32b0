// Dialogs: before something is done by hand, for a message that is written, and for the keys.
import { asked, carryOut } from '../hands.ts';
import { isHelpOpen } from '../page-keys.ts';
import { consequenceOf, titleOf, verbOf } from '../state/hand-actions.ts';
import { keyBindings } from '../state/key-bindings.ts';
import { draft } from '../write-store.ts';
import { Dialog } from './basics.tsx';
import { WriteForm } from './write-form.tsx';

export function AskDialog() {
  const command = asked.value;
  if (!command) return null;
  const close = () => {
    asked.value = undefined;
  };
  const isHarmless = command.kind === 'resume' || command.kind === 'retry';
  return (
    <Dialog title={`${titleOf(command)}?`} onClose={close}>
      <p>{consequenceOf(command)}</p>
      <div class="dialog-buttons">
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button
          type="button"
          class={isHarmless ? 'primary' : 'danger'}
          onClick={() => void carryOut(command)}
        >
          {verbOf(command)}
        </button>
      </div>
    </Dialog>
  );
}

export function WriteDialog() {
  const given = draft.value;
  if (!given) return null;
  const close = () => {
    draft.value = undefined;
  };
  const title = given.answers ? `Answer #${given.answers.number}` : 'Write a message';
  return (
    <Dialog title={title} onClose={close} wide>
      <WriteForm
        to={given.to ?? ''}
        answers={given.answers?.id}
        isFirst
        onCancel={close}
        onSent={close}
      />
    </Dialog>
  );
}

export function HelpDialog() {
  if (!isHelpOpen.value) return null;
  const close = () => {
    isHelpOpen.value = false;
  };
  return (
    <Dialog title="Keys" onClose={close}>
      <table class="keys">
        <tbody>
          {keyBindings.map(({ keys, help }) => (
            <tr key={help}>
              <th scope="row">
                {keys.map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </th>
              <td>{help}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="faint">Keys do nothing while you write, but Escape.</p>
      <div class="dialog-buttons">
        <button type="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

// The page of `ipc ui`, from its first line to its last: state/ is pure, api/ talks to the server, views/ show.
import { render } from 'preact';
import { beginKeys } from './page-keys.ts';
import { begin } from './page-store.ts';
import { beginSearch } from './search-store.ts';
import { beginTheme } from './theme.ts';
import { App } from './views/app.tsx';

const root = document.querySelector('#page');
if (!root) throw new Error('index.html has no #page');
beginTheme();
begin();
beginSearch();
beginKeys();
root.textContent = '';
render(<App />, root);

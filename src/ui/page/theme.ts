// Dark, light, or as the system has it. The style sheet does the rest by `color-scheme`.
import { signal } from '@preact/signals';

const setting = 'agent-ipc.theme';
const names = ['auto', 'dark', 'light'] as const;
export type ThemeName = (typeof names)[number];

export const theme = signal<ThemeName>('auto');
/** Whether the page is dark now, for what is drawn on a canvas. */
export const isDark = signal(true);

const systemDark = matchMedia('(prefers-color-scheme: dark)');

export function beginTheme(): void {
  const stored = localStorage.getItem(setting);
  theme.value = names.find((name) => name === stored) ?? 'auto';
  systemDark.addEventListener('change', show);
  show();
}

export function nextTheme(): void {
  theme.value = names[(names.indexOf(theme.value) + 1) % names.length] ?? 'auto';
  localStorage.setItem(setting, theme.value);
  show();
}

function show(): void {
  document.documentElement.dataset.theme = theme.value;
  isDark.value = theme.value === 'auto' ? systemDark.matches : theme.value === 'dark';
}

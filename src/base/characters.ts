// Characters that are not drawn, as classes of a regular expression with the flag `u`.

/**
 * Control characters, format characters, line separators, and what is not drawn: fillers, selectors and
 * tags, in which text can be hidden.
 */
export const unseen = '\\p{Cc}\\p{Cf}\\p{Default_Ignorable_Code_Point}\\p{Zl}\\p{Zp}';

/** Blanks that look like a space, and are another character. */
export const oddBlank = '(?! )[\\p{Zs}\\u2800]';

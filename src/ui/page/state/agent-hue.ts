/** Hue of a name in degrees: the same in every browser and after every reload. Lightness is the style sheet's. */
export function agentHue(name: string): number {
  let hash = 2_166_136_261;
  for (let index = 0; index < name.length; index++) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 16_777_619);
  }
  // Steps of 15 degrees: hues that are closer look the same.
  return ((hash >>> 8) % 24) * 15;
}

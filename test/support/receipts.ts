// What a response says of other mail when there is none.
export const nothingAhead = {
  watched: false,
  paused: false,
  before: 0,
  holder: undefined,
  same: undefined,
};
export const nothingLeft = { remaining: 0, elsewhere: [] };

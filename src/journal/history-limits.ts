// How much history is kept in how many files: which small files are packed into one, and how much goes at a time.
import { isResidue } from './history-file.ts';
import type { JournalLimits } from './journal-options.ts';
import { inOrder } from './paths.ts';
import type { SegmentId } from './record-framing.ts';

/** How much history is kept, at least if there is room for it. */
export interface HistoryBound {
  /** Length of all files; 0 keeps none. */
  readonly bytesMax: number;
  /** In milliseconds. */
  readonly ageMsMax: number;
}

export interface HistoryLimits {
  /** Longest packed file. */
  readonly packedBytesMax: number;
  /** Longest time between the begin of its first file and that of its last, so that a bound on age is kept. */
  readonly packedMsMax: number;
  /** Longest residue. */
  readonly residueBytesMax: number;
  /** More small files than this are packed. */
  readonly smallFilesMax: number;
  /** Once there is more than the bound allows, files go until this much is left. */
  readonly keptBytes: number;
  /** With more than this, which mail can reach that comes faster than old files go, the work on history hurries. */
  readonly hurryBytes: number;
  /** The oldest files that go at once are together at most this long, unless it is a single file. */
  readonly goingBytesMax: number;
}

/** The oldest packed file, which goes at once, is at most this part of the bytes and of the time of the bound. */
const bytesShare = 2;
const timeShare = 8;
/** The residue is at most this part of the bytes of the bound. */
const residueShare = 8;
/**
 * When old files go, it is until this part of the bytes of the bound is free. Otherwise one would go at a time, and the
 * residue would be written again for each.
 */
const freeShare = 8;
/** How many full segments go at once, since they are read into memory together. */
const goingSegmentsMax = 4;

export function historyLimits(
  { bytesMax, ageMsMax }: HistoryBound,
  { segmentBytesMax, segmentsCompact }: JournalLimits,
): HistoryLimits {
  return {
    packedBytesMax: Math.min(segmentBytesMax, bytesMax / bytesShare),
    packedMsMax: ageMsMax / timeShare,
    residueBytesMax: Math.min(segmentBytesMax, bytesMax / residueShare),
    smallFilesMax: 2 * segmentsCompact,
    keptBytes: bytesMax - bytesMax / freeShare,
    hurryBytes: bytesMax + bytesMax / freeShare,
    goingBytesMax: goingSegmentsMax * segmentBytesMax,
  };
}

interface FileToPack extends SegmentId {
  /** Length of the file. */
  readonly bytes: number;
  /** When it begins; undefined if that is not known. */
  readonly begin: number | undefined;
  readonly isLeft: boolean;
}

/**
 * The longest run of small files, each no larger than all of the run behind it; undefined while there are few. None of
 * `between`, the segments of the log and of quarantine, lies within it, since the files are read in the order of their
 * names. It does not begin right behind the segment before of the same epoch, in `files` or in `between`: if that is
 * damaged, the prologue of the next one says the numbers of its last records.
 */
export function packRun<File extends FileToPack>(
  files: readonly File[],
  between: readonly SegmentId[],
  limits: Pick<HistoryLimits, 'packedBytesMax' | 'packedMsMax' | 'smallFilesMax'>,
): readonly File[] | undefined {
  const { packedBytesMax, packedMsMax, smallFilesMax } = limits;
  const isSmall = (file: File) =>
    2 * file.bytes < packedBytesMax && !file.isLeft && !isResidue(file);
  if (files.filter(isSmall).length <= smallFilesMax) return undefined;
  const isCut = (file: File, behind: File) =>
    between.some((each) => inOrder(file, each) < 0 && inOrder(each, behind) < 0);
  let best: readonly File[] = [];
  for (let end = files.length; end > best.length; end--) {
    const last = files[end - 1];
    let [begin, bytesBehind] = [end, 0];
    for (let at = end - 1; at >= 0; at--) {
      const [file, behind] = [files[at], files[at + 1]];
      if (!last || !file || !isSmall(file) || bytesBehind + file.bytes > packedBytesMax) break;
      if (file !== last && behind && isCut(file, behind)) break;
      if (Math.abs((last.begin ?? 0) - (file.begin ?? 0)) > packedMsMax) break;
      const isEnough = file.bytes <= bytesBehind || file === last;
      if (isEnough && ![files[at - 1], ...between].some(isBefore(file))) begin = at;
      bytesBehind += file.bytes;
    }
    if (end - begin > best.length) best = files.slice(begin, end);
  }
  return best.length > 1 ? best : undefined;
}

/** Whether a file is the segment before this one, in the same epoch. */
function isBefore({ epoch, segment }: SegmentId) {
  return (each: SegmentId | undefined) => each?.epoch === epoch && each.segment + 1 === segment;
}

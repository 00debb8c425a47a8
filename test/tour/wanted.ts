import type { Difference } from './compare.ts';

/** A difference from LXD 5.0.2 that is meant to be. */
export interface Wanted {
  /** The step's command line, or a pattern of several. */
  readonly step: string | RegExp;
  readonly part: Difference['part'];
  /** What is in the difference's found text, to tell it from others of that step. */
  readonly found?: RegExp;
  readonly reason: string;
}

/** Every wanted difference, each with its reason. */
export const wanted: readonly Wanted[] = [];

/** The reason why a difference is wanted; undefined when it is not. */
export const reasonFor = ({ step, part, found }: Difference): string | undefined =>
  wanted.find(
    (one) =>
      (typeof one.step === 'string' ? one.step === step : one.step.test(step)) &&
      one.part === part &&
      (one.found?.test(found) ?? true),
  )?.reason;

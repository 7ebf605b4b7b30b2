/** A bookable resource as the manifest lists it. */
export interface Resource {
  readonly name: string;
  /** The experiment's topic stub. */
  readonly stub: string;
  /** Whole topics of the streams it must have, sorted, e.g. `pend00-st-data`. */
  readonly required: readonly string[];
}

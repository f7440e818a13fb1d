/** Why something that the kernel computes is not there, in words. */

/**
 * @param what it would be: "retrieval from all 300".
 * @param gone whether no kernel answers: else it has not done it yet, was stopped, or has failed,
 *   which the status line says.
 */
export const lacking = (what: string, gone: boolean): string =>
  gone ? `${what} needs the kernel` : `${what} is not known yet`;

/**
 * Status codes of resources and operations (spec 09 §2): text and number always go together.
 * 100–199 is a state, 200–399 success, 400–599 failure; 200 and above is final.
 */
export const statusCodes = {
  operationCreated: 100,
  started: 101,
  stopped: 102,
  running: 103,
  cancelling: 104,
  pending: 105,
  starting: 106,
  stopping: 107,
  aborting: 108,
  freezing: 109,
  frozen: 110,
  thawed: 111,
  error: 112,
  ready: 113,
  success: 200,
  failure: 400,
  cancelled: 401,
} as const;

export type StatusCode = (typeof statusCodes)[keyof typeof statusCodes];

/** The text of each code, as it stands in the `status` field beside `status_code`. */
export const statusTexts = {
  100: 'Operation created',
  101: 'Started',
  102: 'Stopped',
  103: 'Running',
  104: 'Cancelling',
  105: 'Pending',
  106: 'Starting',
  107: 'Stopping',
  108: 'Aborting',
  109: 'Freezing',
  110: 'Frozen',
  111: 'Thawed',
  112: 'Error',
  113: 'Ready',
  200: 'Success',
  400: 'Failure',
  401: 'Cancelled',
} as const satisfies Record<StatusCode, string>;

export type StatusText = (typeof statusTexts)[StatusCode];

/** A state as objects carry it: `{ status: 'Running', status_code: 103 }`. */
export const statusPair = <C extends StatusCode>(code: C): { status: (typeof statusTexts)[C]; status_code: C } => ({
  status: statusTexts[code],
  status_code: code,
});

/** Whether a state with this code cannot change any more. */
export const isFinal = (code: number): boolean => code >= 200;

import * as z from 'zod';
import { choice, flag, id32, integer, struct, text, textMap, texts } from './schema.ts';

/** Body of `POST …/exec` (spec 09 EXE-01). */
export const instanceExecPost = struct({
  command: texts,
  'wait-for-websocket': flag,
  interactive: flag,
  environment: textMap,
  width: integer,
  height: integer,
  'record-output': flag,
  user: id32,
  group: id32,
  cwd: text,
});
export type InstanceExecPost = z.infer<typeof instanceExecPost>;

/** Body of `POST …/console` (spec 09 CON-01); empty stands for `console`. */
export const instanceConsolePost = struct({ width: integer, height: integer, type: choice('', 'console', 'vga') });
export type InstanceConsolePost = z.infer<typeof instanceConsolePost>;

/** A message on the control socket of exec and console (spec 09 EXE-05): sizes are texts, the signal is a number. */
export const instanceExecControl = z.discriminatedUnion('command', [
  z.object({ command: z.literal('window-resize'), args: z.object({ width: z.string(), height: z.string() }) }),
  z.object({ command: z.literal('signal'), signal: z.int() }),
]);
export type InstanceExecControl = z.infer<typeof instanceExecControl>;

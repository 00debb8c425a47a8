/**
 * A program of some hundred bytes that liblxc runs inside a container in place of a command, to do what liblxc does not do
 * before it becomes that command. Nothing may be expected to be installed in a container, so it brings all it needs.
 *
 * It is called as `argv = [path, name, ...arguments]` and executes `path` as `name` with its own environment. When that
 * fails it exits like a shell: 127 when there is no such file, else 126.
 */
import { elfProgram } from './elf.ts';

/** What it does first. */
export interface LauncherSteps {
  /** Waits for a byte from descriptor `gateFd`, and exits with 125 if that is closed instead. */
  readonly gate: boolean;
  /** Becomes leader of a session with standard input for controlling terminal: liblxc offers that to forwarders alone. */
  readonly terminal: boolean;
}

/** Where the gate is; out of the way of what a process opens. */
export const gateFd = 1000;

interface Code {
  /** e_machine of elf(5). */
  readonly machine: number;
  readonly begin: string;
  readonly gate: string;
  readonly terminal: string;
  readonly execute: string;
}

const codes: Readonly<Record<string, Code>> = {
  x64: {
    machine: 62,
    begin: '4889e3', // mov rbx, rsp               argc, argv, NULL, envp
    gate: [
      'bfe8030000 488d742480 ba01000000 31c0 0f05', // read(1000, rsp - 128, 1)
      '4989c4', // mov r12, rax
      'bfe8030000 b803000000 0f05', // close(1000)
      '4983fc01 740c', // if r12 != 1:
      'bf7d000000 b83c000000 0f05', // exit(125)
    ].join(''),
    terminal: [
      'b870000000 0f05', // setsid()
      '31ff be0e540000 31d2 b810000000 0f05', // ioctl(0, TIOCSCTTY, 0)
    ].join(''),
    execute: [
      '488b7b08', // mov rdi, [rbx+8]              argv[0]
      '488d7310', // lea rsi, [rbx+16]             &argv[1]
      '488b03 488d54c310', // rdx = envp, behind argc + 1 pointers
      'b83b000000 0f05', // execve(rdi, rsi, rdx)
      'bf7e000000 83f8fe 7502 ffc7', // edi = eax == -ENOENT ? 127 : 126
      'b83c000000 0f05', // exit(edi)
    ].join(''),
  },
  arm64: {
    machine: 183,
    begin: 'f3030091', // mov x19, sp               argc, argv, NULL, envp
    gate: [
      '007d80d2 e10302d1 220080d2 e80780d2 010000d4', // read(1000, sp - 128, 1)
      'f40300aa', // mov x20, x0
      '007d80d2 280780d2 010000d4', // close(1000)
      '9f0600f1 80000054', // if x20 != 1:
      'a00f80d2 a80b80d2 010000d4', // exit(125)
    ].join(''),
    terminal: [
      'a81380d2 010000d4', // setsid()
      '000080d2 c1818ad2 020080d2 a80380d2 010000d4', // ioctl(0, TIOCSCTTY, 0)
    ].join(''),
    execute: [
      '600640f9', // ldr x0, [x19, #8]             argv[0]
      '61420091', // add x1, x19, #16              &argv[1]
      '630240f9 220c038b', // x2 = envp, behind argc + 1 pointers
      'a81b80d2 010000d4', // execve(x0, x1, x2)
      '1f0800b1 c00f80d2 0014809a', // x0 = x0 == -ENOENT ? 127 : 126
      'a80b80d2 010000d4', // exit(x0)
    ].join(''),
  },
};

/**
 * The program as an ELF file.
 *
 * @param architecture - as Node names it
 * @returns undefined for an architecture it is not written for
 */
export const launcher = (architecture: string, steps: LauncherSteps): Buffer | undefined => {
  const code = codes[architecture];
  if (!code) return undefined;
  const text = [code.begin, steps.gate ? code.gate : '', steps.terminal ? code.terminal : '', code.execute].join('');
  return elfProgram(code.machine, Buffer.from(text.replaceAll(' ', ''), 'hex'));
};

/**
 * Bytes that go to or come from a file at once where data passes through this process. Each read or write is a way to
 * another thread and back, which at Node's own size (64 KiB) takes longer than the copying.
 */
export const fileChunk = 1024 * 1024;

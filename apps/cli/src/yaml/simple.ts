/** Nested maps of texts, as a configuration file mostly is. */
export interface SimpleMap {
  [key: string]: string | SimpleMap;
}

const line = /^( *)([A-Za-z0-9_][\w ./-]*):(?: (.*))?$/;
const plain = /^[A-Za-z0-9_/.][^#:'"{}[\],&*!|>%@`\\]*(?::(?! |$)[^#:'"{}[\],&*!|>%@`\\]*)*$/;

/**
 * Reads the simplest YAML: block maps, indented by two blanks a level, of plain texts. The client's configuration is of
 * that kind, and is read so at every start, without the time it takes to load a YAML library.
 *
 * @returns `undefined` for any text with more in it than that
 */
export const readSimple = (text: string): SimpleMap | undefined => {
  const root: SimpleMap = {};
  const open: SimpleMap[] = [root];
  for (const row of text.split('\n')) {
    if (row.trim() === '') continue;
    const [, indent = '', key, value] = line.exec(row) ?? [];
    const depth = indent.length / 2;
    const parent = open[depth];
    if (key === undefined || parent === undefined || key.endsWith(' ') || key in parent) return undefined;
    open.length = depth + 1;
    if (value === undefined || value === '{}') {
      const child: SimpleMap = {};
      parent[key] = child;
      if (value === undefined) open.push(child);
    } else if (plain.test(value) && !value.endsWith(' ')) {
      parent[key] = value;
    } else {
      return undefined;
    }
  }
  return root;
};

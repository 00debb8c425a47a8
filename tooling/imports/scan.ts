/** One `import`, `export … from` or `import()` in a source text. `line` counts from 1. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
}

// Statements start a line (biome's format), so an example inside a doc comment (` * import …`) does not match.
const statement = /^(?:import|export)\s(?:[^'"`;]*?\sfrom\s*)?['"]([^'"\n]+)['"]/gm;
const dynamic = /\bimport\(\s*['"]([^'"\n]+)['"]\s*\)/g;

/** Every module that a TypeScript source text imports, types included, in the order of appearance. */
export const importsOf = (source: string): Import[] =>
  [statement, dynamic]
    .flatMap((pattern) => [...source.matchAll(pattern)])
    .sort((a, b) => a.index - b.index)
    .map((match) => ({ specifier: match[1] ?? '', line: source.slice(0, match.index).split('\n').length }));

import Console
import RunCommands

func printBudgetHelp() -> Int32 {
    var out = Writer(1)
    out.text(
        """
        stlm-budget says, to the byte and before anything runs, what memory a model takes with stlm-run on a board.

        Usage:
          stlm-budget MODEL [flags]

          --context N           positions (the model's own)
          --kv TYPE             bits of cached keys and values: int16, int8, or int4 (int16)
          --batch N             positions of a prompt computed at once (64)
          --threads N           threads (one for each fast core of this machine)
          --grammar FILE        with a grammar, as stlm-run takes one
          --one-of TEXT         the same with some texts, each given so; up to 32
          --choices FILE        the same with a text on each line of FILE
          --limit SIZE          ends with 1 where the model does not fit in SIZE (48MiB, 48MB, 50331648), and says what would
          --json                for scripts
          --report FILE.html    a page with pictures: what memory holds, and how it grows with the context
          -h, --help            this
          --version

        Resident at most is what stlm-run has in memory once a prompt has filled the context: the whole file, the arena,
        the prompt's ids, the automaton of a grammar, stacks, and the static program itself. A prompt's text and sampling
        other than the model's own come on top; a session file (--session) does not, it passes through the arena, nor does
        the text of a grammar, which is gone before the arena fills. Pages of the file that are not used can be dropped
        and read again, which stlm-run does under --memory-limit; the second figure is the least that this takes.

        Examples:
          stlm-budget stories.stlm
          stlm-budget stories.stlm --limit 4MiB --threads 1 || echo "too large"
          stlm-budget stories.stlm --context 512 --kv int8 --report budget.html

        """)
    out.flush()
    return exitCode(of: out.error)
}

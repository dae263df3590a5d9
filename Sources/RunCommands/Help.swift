import Console

package let programVersion: StaticString = "0.1.0"

func printHelp() -> Int32 {
    var out = Writer(1)
    out.text(
        """
        stlm-run runs a packed language model in integers: the same bits on every CPU, no allocation after start-up.

        Usage:
          stlm-run MODEL [-p TEXT] [flags]            write text after a prompt (from a pipe without -p)
          stlm-run info MODEL [--json] [--verify]     what is in the file; --verify reads all of it and checks it
          stlm-run score MODEL --file TEXT [flags]    perplexity and bits per byte of a text (- is standard input)
          stlm-run choose MODEL --file TASKS.jsonl [flags]
                                                      multiple choice by log-likelihood
          stlm-run logits MODEL --ids "1 5 9" --out F.npy
                                                      int32 logits of every position, for comparisons
          stlm-run bench MODEL [-p N] [-n N] [--rounds N] [--json]
                                                      how fast it is here, and what the time goes into
          stlm-run self-check MODEL [--json]          whether the file is whole, and this computer makes of it
                                                      what the one did that packed it
        Writing:
          -p, --prompt TEXT     the beginning of the text
          --ids "1 5 9"         the prompt as token ids, or as blocks of bytes padded with 256; prints ids
          -n N                  at most N tokens, or blocks of a byte model (until the text ends or the context is full)
          --bytes N             at most N bytes of text
          --temp T              temperature; 0 takes the likeliest token (the model's own)
          --top-k K             only the K likeliest tokens; 0 is off
          --top-p P             only the likeliest tokens that make up P; 1 is off
          --min-p P             only tokens at least P times as likely as the likeliest; 0 is off
          --repeat-penalty R    makes recent tokens less likely; 1 is off
          --repeat-window N     how many tokens count as recent
          --seed N              one seed gives one text, everywhere (a random one; --stats prints it)
          --stop TEXT           end before TEXT is written; up to 8 times
          --grammar FILE        write only what follows a grammar (GBNF without recursion: Formats/grammar-1.md)
          --one-of TEXT         write one of some texts, each given so; up to 32
          --choices FILE        the same with a text on each line of FILE
          --ignore-eos          go on after the end of a text
          --slide               go on when the context is full: half of it is forgotten, time and memory stay the same
          --keep N              positions at the beginning that --slide never forgets (1)
          --no-echo             do not print the prompt
          --save-session FILE   keep in FILE what was read and written, to go on from; an interrupt keeps nothing
          --session FILE        go on after what FILE keeps; the prompt is added to it, and without --seed numbers go on too
          --rate R              at most R tokens or blocks a second, such as 5 or 0.5, against heat; a prompt is read at once
          --stats               speed and memory, on standard error
        Scoring:
          --file FILE           the text
          --split TEXT          score each part between TEXT by itself, such as stories
          --json                for scripts
        Choosing:
          --file FILE           lines of {"prefix": "...", "options": ["...", "..."], "answer": 0}
          --json                each option's log-likelihood too
        Measuring:
          -p N                  positions of the prompt (128)
          -n N                  tokens or blocks to write after it (128)
          --rounds N            how often; medians are printed (5)
        All:
          --context N           positions (the model's own)
          --kv TYPE             bits of cached keys and values: int16, int8, or int4 (int8 keys, int4 values);
                                fewer need less memory and are read faster (int16)
          --batch N             positions computed at once; fewer need less memory (64; 16 to score and choose)
          --memory-limit SIZE   take no more memory than 24MiB, say: weights that do not fit are read anew for each batch or
                                token (not with info)
          --threads N           threads (one for each fast core)
          --nice N              let other programs go first, as nice(1) does: 0 to 19
          -h, --help            this
          --version

        STLM_CPU=baseline|avx2|avxvnni|avx512|neon|dotprod|i8mm in the environment forces the
        kernels; the results are the same.

        Examples:
          stlm-run stories.stlm -p "Once upon a time" -n 200 --temp 0.8 --seed 1
          echo "Lily and Tom" | stlm-run stories.stlm --stats
          stlm-run stories.stlm -p "Once upon a time" -n 0 --save-session begun       a beginning, computed once
          stlm-run stories.stlm --session begun -p ", a fox" -n 50                    used as often as wanted
          stlm-run stories.stlm --session tale -p "" -n 50 --save-session tale        50 more tokens each time
          stlm-run stories.stlm --slide --rate 5 --nice 19                            for hours, cool and out of the way
          stlm-run stories.stlm -p "The dog was very" --one-of " happy" --one-of " sad"
          stlm-run stories.stlm -p "Turn on the light: " --grammar command.gbnf --no-echo
          stlm-run score stories.stlm --file stories.txt --json
          stlm-run bench stories.stlm --threads 1

        """)
    out.flush()
    return exitCode(of: out.error)
}

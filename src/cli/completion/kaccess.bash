# Completion of kaccess for bash: the program itself answers, so that contexts and codes are today's.
_kaccess() {
    # Bash breaks words at : and =, which stand inside names of contexts (ARNs) and behind flags. They are put together
    # again as the line has them.
    local -a words=()
    local count=0 i word rest="$COMP_LINE" bare
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        bare="${rest#"${rest%%[![:blank:]]*}"}"
        if ((i > 0)) && [[ ${#bare} -eq ${#rest} ]]; then
            words[count - 1]+="$word"
        else
            words[count]="$word"
            count=$((count + 1))
        fi
        rest="${bare:${#word}}"
    done
    local current="${words[count - 1]}" answer
    # What stands before the last break is there already. Where bash completes names of hosts, an @ is a break too.
    local breaks=":="
    [[ "$COMP_WORDBREAKS" == *@* ]] && breaks=":=@"
    local given="${current%"${current##*[$breaks]}"}"
    [[ "$COMP_WORDBREAKS" == *:* ]] || given=""
    answer="$(KACCESS_COMPLETE=bash _CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$((count - 1)) KACCESS_PROGRAM -- "${words[@]}" 2> /dev/null)" || return
    COMPREPLY=()
    local candidate
    while IFS= read -r candidate; do
        [[ -n "$candidate" ]] || continue
        candidate="${candidate#"$given"}"
        [[ "$current" == [\"\']* ]] || printf -v candidate '%q' "$candidate"
        COMPREPLY[${#COMPREPLY[@]}]="$candidate"
    done <<< "$answer"
    if [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *[=/:] ]]; then
        compopt -o nospace 2> /dev/null
    fi
}
complete -o bashdefault -o default -F _kaccess kaccess

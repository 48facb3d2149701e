"""``farm completion``: the scripts by which shells complete commands, options and live names."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from orchestrator.cli import view
from orchestrator.cli.options import new_app

app = new_app()


class Shell(StrEnum):
    """A shell that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


#: Each asks ``farm __complete WORD..``, the words after ``farm`` up to the one that is typed. The
#: first line of the answer is ``words`` or ``files``, each other one a word, a tab and its help.
SCRIPTS = {
    Shell.BASH: r"""# farm: completion for bash
_farm_complete() {
    local IFS=$'\n' lines line
    COMPREPLY=()
    mapfile -t lines < <(farm __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    [[ ${lines[0]} == files ]] && compopt -o filenames 2>/dev/null
    for line in "${lines[@]:1}"; do
        COMPREPLY+=("${line%%$'\t'*}")
    done
}
complete -F _farm_complete farm
""",
    Shell.ZSH: r"""#compdef farm
# farm: completion for zsh
_farm() {
    local -a lines shown
    local line
    lines=("${(@f)$(farm __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ ${lines[1]} == files ]]; then
        _files
        return
    fi
    for line in "${(@)lines[2,-1]}"; do
        shown+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    (( $#shown )) && _describe -V farm shown
}
if [[ ${funcstack[1]} == _farm ]]; then
    _farm "$@"
else
    compdef _farm farm
fi
""",
    Shell.FISH: r"""# farm: completion for fish
function __farm_complete
    set -l typed (commandline -opc) (commandline -ct)
    set -l lines (farm __complete $typed[2..] 2>/dev/null)
    if test "$lines[1]" = files
        __fish_complete_path (commandline -ct)
    else
        string join \n -- $lines[2..]
    end
end
complete -c farm -e
complete -c farm -f -k -a '(__farm_complete)'
""",
}


@app.command()
def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="Which shell.")],
) -> None:
    """Print the script that lets a shell complete commands, options and names of this farm.

    For bash, write it to ~/.local/share/bash-completion/completions/farm; for fish, to
    ~/.config/fish/completions/farm.fish; for zsh, put eval "$(farm completion zsh)" below compinit
    in ~/.zshrc. Names come from the farm of the current folder; no orchestrator is started.
    """
    view.say(SCRIPTS[shell].rstrip("\n"))

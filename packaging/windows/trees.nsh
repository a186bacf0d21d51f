; Removes a folder with all that is in it. Links in it, to folders or files, are removed themselves: RMDir /r would
; go on through a junction and delete what lies elsewhere, such as models that were moved to another disk.

!define DIRECTORY 0x10
!define REPARSE_POINT 0x400
!define INVALID_FILE_ATTRIBUTES -1

; Defines the function RemoveTree. It takes the folder from the stack, without its last \; what cannot be removed stays.
!macro REMOVE_TREE_FUNCTION PREFIX
  Function ${PREFIX}RemoveTree
    Exch $0
    Push $1
    Push $2
    System::Call 'kernel32::GetFileAttributesW(w r0) i .r1'
    ${If} $1 <> ${INVALID_FILE_ATTRIBUTES}
      IntOp $1 $1 & ${REPARSE_POINT}
      ${If} $1 = 0
        FindFirst $1 $2 "$0\*"
        ${DoWhile} $2 != ""
          ${If} $2 != "."
          ${AndIf} $2 != ".."
            Push "$0\$2"
            Call ${PREFIX}RemoveEntry
          ${EndIf}
          FindNext $1 $2
        ${Loop}
        FindClose $1
      ${EndIf}
      System::Call 'kernel32::RemoveDirectoryW(w r0)' ; of a link, the link alone
    ${EndIf}
    Pop $2
    Pop $1
    Pop $0
  FunctionEnd

  ; Removes what the path on the stack names.
  Function ${PREFIX}RemoveEntry
    Exch $0
    Push $1
    System::Call 'kernel32::GetFileAttributesW(w r0) i .r1'
    IntOp $1 $1 & ${DIRECTORY}
    ${If} $1 <> 0
      Push $0
      Call ${PREFIX}RemoveTree
    ${Else}
      SetFileAttributes $0 NORMAL
      System::Call 'kernel32::DeleteFileW(w r0)' ; of a link, the link alone
    ${EndIf}
    Pop $1
    Pop $0
  FunctionEnd
!macroend

!insertmacro REMOVE_TREE_FUNCTION "un."

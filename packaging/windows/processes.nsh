; Ends the app's own programs in a folder, found by the full path of their file: CONSOLE, WINDOWED, and those of
; _internal. Somebody may have installed into a folder that holds other programs too.

!define MOST_PROCESSES_BYTES 65536
!define SYNCHRONIZE_QUERY_TERMINATE 0x101001
!define WAIT_TIMEOUT 258
!define TERMINATE_MS 5000

; Defines the function EndProcesses. It takes from the stack a time in ms and, below it, a folder with its last \:
; all of the app's processes together get so long to end by themselves; who has not then, is ended.
!macro END_PROCESSES_FUNCTION PREFIX
  Function ${PREFIX}EndProcesses
    System::Store "S" ; keeps all registers
    Pop $1
    Pop $0
    StrLen $2 "$0_internal\"
    System::Call 'kernel32::GetTickCount() i .r3'
    IntOp $3 $3 + $1 ; when patience ends
    System::Alloc ${MOST_PROCESSES_BYTES}
    Pop $4
    System::Call 'kernel32::K32EnumProcesses(p r4, i ${MOST_PROCESSES_BYTES}, *i .r5)'
    IntPtrOp $5 $4 + $5 ; the end of the list, which is one of 32-bit numbers
    StrCpy $6 $4
    ${While} $6 <> $5
      System::Call '*$6(i .r7)'
      IntPtrOp $6 $6 + 4
      System::Call 'kernel32::OpenProcess(i ${SYNCHRONIZE_QUERY_TERMINATE}, i 0, i r7) p .r8'
      ${If} $8 <> 0
        Call ${PREFIX}EndIfOurs
        System::Call 'kernel32::CloseHandle(p r8)'
      ${EndIf}
    ${EndWhile}
    System::Free $4
    System::Store "L"
  FunctionEnd

  ; $0 folder, $2 the length of its _internal\, $3 when patience ends, $7 pid, $8 handle. Changes $9, $R0, $R1.
  Function ${PREFIX}EndIfOurs
    System::Call 'kernel32::GetCurrentProcessId() i .r9'
    ${If} $7 = $9 ; an uninstaller may run from the folder
      Return
    ${EndIf}
    System::Call 'kernel32::QueryFullProcessImageNameW(p r8, i 0, w .R0, *i ${NSIS_MAX_STRLEN})'
    StrCpy $R1 $R0 $2
    ${If} $R1 != "$0_internal\"
    ${AndIf} $R0 != "$0${CONSOLE}"
    ${AndIf} $R0 != "$0${WINDOWED}"
      Return
    ${EndIf}
    System::Call 'kernel32::GetTickCount() i .r9'
    IntOp $9 $3 - $9
    ${If} $9 < 0
      StrCpy $9 0
    ${EndIf}
    System::Call 'kernel32::WaitForSingleObject(p r8, i r9) i .r9'
    ${If} $9 = ${WAIT_TIMEOUT}
      System::Call 'kernel32::TerminateProcess(p r8, i 1)'
      System::Call 'kernel32::WaitForSingleObject(p r8, i ${TERMINATE_MS})'
    ${EndIf}
  FunctionEnd
!macroend

!insertmacro END_PROCESSES_FUNCTION ""
!insertmacro END_PROCESSES_FUNCTION "un."

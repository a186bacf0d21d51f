; The Windows installer: for one person, without administrator rights. Compiled by windows.py, which defines
;   VERSION      of the app           NUMBERS   the same as four numbers, as Windows wants it
;   FILES        FOLDER\* of the app  ICON      an .ico file
;   OUT_FILE     what to write        SIGN      optional: a command that signs the file named after it, for the
;                                               uninstaller: the installer is signed when it is there
;   TARGET       amd64-unicode, or x86-unicode
;   QUICK        optional: compress less, in a tenth of the time
;
; Silent:   setup.exe /S [/D=FOLDER]        uninstall.exe /S [/PURGE]
; Exit code 2: it could not be done, and a message (not when silent) says why.

Unicode true
Target ${TARGET}
!ifdef QUICK
  SetCompressor zlib
!else
  SetCompressor /SOLID lzma
  SetCompressorDictSize 64 ; MB: both programs hold the same modules, which are then packed once
!endif
!include "FileFunc.nsh"
!include "LogicLib.nsh"
!include "MUI2.nsh"
!include "WinVer.nsh"
!include "x64.nsh"

!define NAME "PowerInfer Tray"
!define WINDOWED "powerinfer-tray-app.exe"
!define CONSOLE "powerinfer-tray.exe"
!define DATA "$LOCALAPPDATA\PowerInferTray"
!define MODELS "$PROFILE\.PowerInfer"
!define UNINSTALL_KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\PowerInferTray"
!define RUN_KEY "Software\Microsoft\Windows\CurrentVersion\Run"
!define APPROVED_KEY "Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"
!define RUN_VALUE "PowerInferTray"

!include "processes.nsh"
!include "trees.nsh"

Name "${NAME}"
OutFile "${OUT_FILE}"
RequestExecutionLevel user
InstallDir "$LOCALAPPDATA\Programs\${NAME}"
InstallDirRegKey HKCU "${UNINSTALL_KEY}" "InstallLocation"
ManifestDPIAware true
BrandingText "${NAME} ${VERSION}"

VIProductVersion "${NUMBERS}"
VIAddVersionKey "ProductName" "${NAME}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "${NAME} Setup"
VIAddVersionKey "LegalCopyright" "MIT License"

!ifdef SIGN
  !uninstfinalize '${SIGN} "%1"' = 0
!endif

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_FINISHPAGE_RUN "$INSTDIR\${WINDOWED}"
!define MUI_FINISHPAGE_NOREBOOTSUPPORT
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!define MUI_COMPONENTSPAGE_SMALLDESC
!insertmacro MUI_UNPAGE_COMPONENTS
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English" ; the first one is for all other languages of Windows
!insertmacro MUI_LANGUAGE "French"
!insertmacro MUI_LANGUAGE "Japanese"

LangString TOO_OLD ${LANG_ENGLISH} "${NAME} needs Windows 10 for 64 bits, version 1809, or newer."
LangString TOO_OLD ${LANG_FRENCH} "${NAME} nécessite Windows 10 en 64 bits, version 1809, ou plus récent."
LangString TOO_OLD ${LANG_JAPANESE} "${NAME} には 64 ビット版の Windows 10 バージョン 1809 以降が必要です。"
LangString IN_USE ${LANG_ENGLISH} "Files in $INSTDIR are in use or cannot be written. Close what uses them, then try again."
LangString IN_USE ${LANG_FRENCH} "Des fichiers de $INSTDIR sont utilisés ou protégés. Fermez ce qui les utilise, puis réessayez."
LangString IN_USE ${LANG_JAPANESE} "$INSTDIR のファイルは使用中か、書き込めません。使用中のプログラムを閉じてから、もう一度試してください。"
LangString STOPPING ${LANG_ENGLISH} "Asking the running app to quit"
LangString STOPPING ${LANG_FRENCH} "Demande à l'application de quitter"
LangString STOPPING ${LANG_JAPANESE} "実行中のアプリを終了しています"
LangString PURGE ${LANG_ENGLISH} "Settings, keys, conversations and models"
LangString PURGE ${LANG_FRENCH} "Réglages, clés, conversations et modèles"
LangString PURGE ${LANG_JAPANESE} "設定、キー、会話、モデル"
LangString ABOUT_APP ${LANG_ENGLISH} "The program itself."
LangString ABOUT_APP ${LANG_FRENCH} "Le programme lui-même."
LangString ABOUT_APP ${LANG_JAPANESE} "プログラム本体。"
LangString ABOUT_PURGE ${LANG_ENGLISH} "Also removes all models in ${MODELS}, which the 4D component uses too."
LangString ABOUT_PURGE ${LANG_FRENCH} "Supprime aussi tous les modèles de ${MODELS}, que le composant 4D utilise également."
LangString ABOUT_PURGE ${LANG_JAPANESE} "${MODELS} のモデルもすべて削除します (4D コンポーネントと共用)。"

; End the app: it is asked first, so that the server stops and downloads are kept.
!macro END_APP PREFIX
  ${If} ${FileExists} "$INSTDIR\${CONSOLE}"
    DetailPrint "$(STOPPING)"
    nsExec::Exec /TIMEOUT=15000 '"$INSTDIR\${CONSOLE}" quit'
    Pop $0 ; whether it could be asked shows by who is still there
  ${EndIf}
  Push "$INSTDIR\"
  Push 10000
  Call ${PREFIX}EndProcesses
!macroend

; Leave the installer with everything as it is now.
!macro GIVE_UP
  MessageBox MB_OK|MB_ICONSTOP "$(IN_USE)" /SD IDOK
  SetErrorLevel 2
  Abort "$(IN_USE)"
!macroend

Function .onInit
  ${IfNot} ${AtLeastWin10}
  ${OrIfNot} ${AtLeastBuild} 17763
  ${OrIfNot} ${RunningX64}
    MessageBox MB_OK|MB_ICONSTOP "$(TOO_OLD)" /SD IDOK
    SetErrorLevel 2
    Abort
  ${EndIf}
FunctionEnd

Section "${NAME}"
  !insertmacro END_APP ""
  ClearErrors
  RMDir /r "$INSTDIR\_internal" ; no module of the version before may be found by this one
  Delete "$INSTDIR\${WINDOWED}"
  Delete "$INSTDIR\${CONSOLE}"
  ${If} ${Errors}
    !insertmacro GIVE_UP
  ${EndIf}
  SetOutPath "$INSTDIR"
  File /r "${FILES}"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  ${If} ${Errors}
    !insertmacro GIVE_UP
  ${EndIf}
  CreateShortcut "$SMPROGRAMS\${NAME}.lnk" "$INSTDIR\${WINDOWED}"

  WriteRegStr HKCU "${UNINSTALL_KEY}" "DisplayName" "${NAME}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "Publisher" "${NAME}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "DisplayIcon" "$INSTDIR\${WINDOWED}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${UNINSTALL_KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" "NoModify" 1
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" "NoRepair" 1
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" "EstimatedSize" $0
SectionEnd

; Runs before the app's own section, while its program is there to forget the keys.
Section /o "un.$(PURGE)" PURGE
  !insertmacro END_APP "un."
  !macro FORGET NAME
    nsExec::Exec /TIMEOUT=15000 '"$INSTDIR\${CONSOLE}" key remove ${NAME}'
    Pop $0
  !macroend
  !insertmacro FORGET gateway
  !insertmacro FORGET remote
  !insertmacro FORGET huggingface.co
  Push "${DATA}"
  Call un.RemoveTree
  Push "${MODELS}"
  Call un.RemoveTree
SectionEnd

Section "un.${NAME}" APP
  SectionIn RO
  !insertmacro END_APP "un."
  ClearErrors
  RMDir /r "$INSTDIR\_internal"
  Delete "$INSTDIR\${WINDOWED}"
  Delete "$INSTDIR\${CONSOLE}"
  ${If} ${Errors}
    !insertmacro GIVE_UP
  ${EndIf}
  Delete "$SMPROGRAMS\${NAME}.lnk"
  DeleteRegValue HKCU "${RUN_KEY}" "${RUN_VALUE}"
  DeleteRegValue HKCU "${APPROVED_KEY}" "${RUN_VALUE}" ; where Windows notes that it was switched off
  DeleteRegKey HKCU "${UNINSTALL_KEY}"
  Delete "$INSTDIR\uninstall.exe"
  SetOutPath "$TEMP" ; a folder in which we stand cannot be removed
  RMDir "$INSTDIR"
SectionEnd

!insertmacro MUI_UNFUNCTION_DESCRIPTION_BEGIN
  !insertmacro MUI_DESCRIPTION_TEXT ${APP} "$(ABOUT_APP)"
  !insertmacro MUI_DESCRIPTION_TEXT ${PURGE} "$(ABOUT_PURGE)"
!insertmacro MUI_UNFUNCTION_DESCRIPTION_END

Function un.onInit
  ${GetParameters} $0
  ${GetOptions} $0 "/PURGE" $1
  ${IfNot} ${Errors}
    !insertmacro SelectSection ${PURGE}
  ${EndIf}
FunctionEnd

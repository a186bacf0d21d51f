<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ja" sourcelanguage="en">
    <context>
        <name>app</name>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>This is not a repository</source>
            <translation>これはリポジトリではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>“{text}” is the address of a file.</source>
            <translation>「{text}」はファイルのアドレスです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>Give its owner and name: owner/repository</source>
            <translation>所有者と名前を指定してください: owner/repository</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>Of {count} files, {name} ({size:,} bytes) is the best one for this computer. {reason}</source>
            <translation>{count} 個のファイルのうち、このコンピューターには {name}（{size:,} バイト）が最適です。{reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>No file of {repository} fits into this computer's memory</source>
            <translation>{repository} には、このコンピューターのメモリに収まるファイルがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>The smallest, {name}, needs {need:,.1f} GiB, and {room:,.1f} GiB can be used.</source>
            <translation>最も小さい {name} には {need:,.1f} GiB が必要で、使えるのは {room:,.1f} GiB です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>Choose a smaller model, or name the file to have it all the same: {example}</source>
            <translation>より小さいモデルを選ぶか、それでも使う場合はファイル名を指定してください: {example}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>{name} is too large</source>
            <translation>{name} は大きすぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>At most {count} MB of texts are taken at once.</source>
            <translation>一度に扱えるテキストは {count} MB までです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>{name} is not text</source>
            <translation>{name} はテキストではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>It is not encoded in UTF-8.</source>
            <translation>UTF-8 で符号化されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>Save it as UTF-8 text, or choose another.</source>
            <translation>UTF-8 のテキストとして保存するか、別のファイルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>{name} cannot be read</source>
            <translation>{name} を読み込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>Check that you may read it.</source>
            <translation>読み取り権限を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>Results cannot be saved as {kind}</source>
            <translation>結果を {kind} として保存できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>a file without an ending</source>
            <translation>拡張子のないファイル</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>The name must end in {names}.</source>
            <translation>名前の末尾は {names} である必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>{name} could not be saved</source>
            <translation>{name} を保存できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>Choose another folder.</source>
            <translation>別のフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>The publisher wants you to accept terms first</source>
            <translation>先に公開者の利用条件への同意が必要です</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>{name}: {cost}. It comes with files on terms of {owners}.</source>
            <translation>{name}: {cost}。{owners} の利用条件が適用されるファイルが含まれます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>If you accept them: powerinfer-tray engines install {id} --yes</source>
            <translation>同意する場合: powerinfer-tray engines install {id} --yes</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>There is no engine that would do better here</source>
            <translation>ここでこれより優れたエンジンはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>To install one all the same, name it: powerinfer-tray engines list</source>
            <translation>それでもインストールするには名前を指定してください: powerinfer-tray engines list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>Paused</source>
            <translation>一時停止中</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>{size:,} bytes are here.</source>
            <translation>{size:,} バイトを受信済みです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>The same command goes on from there.</source>
            <translation>同じコマンドで続きから再開します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>There is no engine “{id}” to install</source>
            <translation>インストールできるエンジン「{id}」はありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>No build of this name is published for this machine.</source>
            <translation>このマシン向けにこの名前のビルドは公開されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>This lists those that are: powerinfer-tray engines list</source>
            <translation>一覧を表示: powerinfer-tray engines list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>The engine “{id}” is being used</source>
            <translation>エンジン「{id}」は使用中です</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>It runs {models}.</source>
            <translation>{models} を実行しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>Stop the server or unload these models first, or choose another engine for them.</source>
            <translation>先にサーバーを停止するか、これらのモデルをアンロードするか、別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>{name} is being served</source>
            <translation>{name} はサーバーで使用中です</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>The engine has the file open.</source>
            <translation>エンジンがファイルを開いています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Stop the server first.</source>
            <translation>先にサーバーを停止してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>No model is named</source>
            <translation>モデルが指定されていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>The name is empty.</source>
            <translation>名前が空です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Give its id; this lists them: powerinfer-tray models list</source>
            <translation>モデルの ID を指定してください。ID は次のコマンドで表示できます: powerinfer-tray models list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>{name} comes with the app</source>
            <translation>{name} はアプリに付属しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>It cannot be removed.</source>
            <translation>削除できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>There is no program that quantizes</source>
            <translation>量子化を行うプログラムがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>None is beside PowerInfer's server or on the PATH.</source>
            <translation>PowerInfer サーバーの隣にも PATH にもありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Put PowerInfer's «quantize» beside its server, or on the PATH as powerinfer-quantize; for dense models, llama.cpp's «llama-quantize».</source>
            <translation>PowerInfer の「quantize」をサーバーの隣に置くか、powerinfer-quantize という名前で PATH に置いてください。デンスモデルには llama.cpp の「llama-quantize」を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>{name} is not in the models folder</source>
            <translation>{name} はモデルフォルダーにありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>It is {path}, and the models folder is {folder}.</source>
            <translation>場所は {path} で、モデルフォルダーは {folder} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Remove it where it is; or, if it is a model, with: powerinfer-tray models remove --yes PATH</source>
            <translation>その場所で削除するか、モデルであれば次のコマンドで削除してください: powerinfer-tray models remove --yes PATH</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>Name one by its path.</source>
            <translation>パスで指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>No other app has a model {reference}</source>
            <translation>{reference} というモデルを持つほかのアプリはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>None that is not listed here yet has this name.</source>
            <translation>まだ一覧にないモデルの中に、この名前のものはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>This lists what other apps have: powerinfer-tray models adopt</source>
            <translation>ほかのアプリにあるモデルの一覧: powerinfer-tray models adopt</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>The server is not running</source>
            <translation>サーバーは実行されていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>No address is open.</source>
            <translation>開いているアドレスがありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>Start the server.</source>
            <translation>サーバーを起動してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>The local network needs an API key</source>
            <translation>ローカルネットワークには API キーが必要です</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>Without one, everybody in the network could use this server.</source>
            <translation>キーがないと、ネットワーク上の誰でもこのサーバーを使用できます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>Choose one: in the settings under Network, or with powerinfer-tray key set gateway. On a machine without a keychain, add --file to this, or set the environment variable {variable}.</source>
            <translation>設定の「ネットワーク」または powerinfer-tray key set gateway でキーを決めてください。キーチェーンのないコンピューターでは、このコマンドに --file を付けるか、環境変数 {variable} を設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>Only the model of the setting Model may be elsewhere: requests could not name another one.</source>
            <translation>別の場所に置けるのは設定「モデル」のモデルだけです: ほかのモデルはリクエストで指定できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>Bring it there: powerinfer-tray models import PATH</source>
            <translation>追加するには: powerinfer-tray models import パス</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>{model} is not loaded</source>
            <translation>{model} は読み込まれていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>It has no engine now.</source>
            <translation>現在、このモデルのエンジンはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>This lists the loaded models: powerinfer-tray ps</source>
            <translation>読み込まれているモデルの一覧：powerinfer-tray ps</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>The engine did not end in time</source>
            <translation>エンジンが時間内に終了しませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>It still has the model's file open.</source>
            <translation>まだモデルのファイルを開いています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>Try again in a moment.</source>
            <translation>しばらくしてから、もう一度お試しください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>There is no window</source>
            <translation>ウィンドウがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>The app runs in a terminal.</source>
            <translation>アプリは端末で実行されています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>The default model {name} is not installed</source>
            <translation>既定のモデル {name} はインストールされていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>It is the one for requests that name no installed model.</source>
            <translation>インストール済みのモデルを指定しないリクエストに使われます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>Download it, or choose another one in the settings.</source>
            <translation>ダウンロードするか、設定で別のモデルを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>Models are loaded into a server that runs.</source>
            <translation>モデルは動作中のサーバーに読み込まれます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>Start it first.</source>
            <translation>先に起動してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>The engine is a remote server</source>
            <translation>エンジンはリモートサーバーです</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>It has models of its own; none is loaded on this machine.</source>
            <translation>独自のモデルを持っているため、このマシンには読み込まれません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>Choose another engine in the settings.</source>
            <translation>設定で別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>The server is not ready</source>
            <translation>サーバーの準備ができていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>It did not get ready in time.</source>
            <translation>時間内に準備が完了しませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>It was stopped.</source>
            <translation>停止されました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>{model} runs on with its old settings: {reason}</source>
            <translation>{model} は以前の設定のまま動作しています: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/start_job.py" />
            <source>The start was called off</source>
            <translation>起動はキャンセルされました</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/start_job.py" />
            <source>The server was stopped before it had started.</source>
            <translation>起動が完了する前にサーバーが停止されました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/status.py" />
            <source>To try it again: powerinfer-tray engines allow {id}</source>
            <translation>もう一度試す: powerinfer-tray engines allow {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/status.py" />
            <source>{model} is not run by the engine {id}</source>
            <translation>{model} はエンジン {id} では実行されていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/status.py" />
            <source>This says more: powerinfer-tray engines list</source>
            <translation>詳しくは: powerinfer-tray engines list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>Threads can only be tuned for a local engine</source>
            <translation>スレッド数を調整できるのはローカルのエンジンだけです</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>Set them on the remote machine.</source>
            <translation>リモートのマシンで設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>A sparse model is always computed by one thread</source>
            <translation>スパースモデルは常に 1 スレッドで計算されます</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>For all cores, choose a dense model (GGUF), which llama.cpp runs.</source>
            <translation>すべてのコアを使用するには、llama.cpp で実行されるデンスモデル (GGUF) を選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>It was not proven with {weights} weights.</source>
            <translation>{weights} の重みでは検証されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>It does not compute with {weights} weights: {reason}</source>
            <translation>{weights} の重みでは計算できません: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>It failed; {engine} ran in its place.</source>
            <translation>失敗したため、{engine} が代わりに動作しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/workspace.py" />
            <source>There is nothing to download.</source>
            <translation>ダウンロードするものはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>Give the address of a file (https://…/model.gguf) or hf:owner/repository/file.gguf.</source>
            <translation>ファイルのアドレス (https://…/model.gguf) または hf:owner/repository/file.gguf を入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>This is not an address</source>
            <translation>これはアドレスではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>It has {count:,} letters, and begins with “{text}”. No address has more than {most:,}.</source>
            <translation>{count:,} 文字あり、「{text}」で始まります。{most:,} 文字を超えるアドレスはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>“{text}” has signs in it that no address can have.</source>
            <translation>「{text}」に、アドレスには使用できない文字が含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>This is not a file on Hugging Face</source>
            <translation>これは Hugging Face のファイルではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>“{text}” is not understood.</source>
            <translation>「{text}」を解釈できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>“{text}”: {reason}.</source>
            <translation>「{text}」: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>This is not an address that can be downloaded</source>
            <translation>このアドレスからはダウンロードできません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>Another file of this name is there</source>
            <translation>同じ名前の別のファイルがあります</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>{path} is not the file that the source offers, and is left as it is.</source>
            <translation>{path} は配布元が提供するファイルではないため、そのまま残します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>Rename or delete it, then download again.</source>
            <translation>名前を変更するか削除してから、もう一度ダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/connection_pool.py" />
            <source>Every connection has ended.</source>
            <translation>すべての接続が終了しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The server does not let us have this file</source>
            <translation>サーバーがこのファイルの取得を許可しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered {status}: it asks for a sign-in, or for a licence to be accepted.</source>
            <translation>{host} の応答は {status} です。サインインまたはライセンスへの同意が必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Open the address in a browser. If it downloads there only after signing in, fetch it there and put it into the models folder.</source>
            <translation>アドレスをブラウザーで開いてください。サインインしないとダウンロードできない場合は、ブラウザーでダウンロードしてモデルフォルダーに入れてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The file is not there</source>
            <translation>ファイルがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered {status}: it knows no file at this address.</source>
            <translation>{host} の応答は {status} です。このアドレスにファイルはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the address: owner, repository and file name, with upper and lower case.</source>
            <translation>アドレスを確認してください。所有者、リポジトリ、ファイル名は大文字と小文字が区別されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The server refused</source>
            <translation>サーバーが拒否しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered {status}.</source>
            <translation>{host} の応答は {status} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The server has a problem</source>
            <translation>サーバーに問題があります</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Try again in a few minutes.</source>
            <translation>数分後にもう一度お試しください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the address in a browser.</source>
            <translation>アドレスをブラウザーで確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered 429: it can be asked again in {seconds:.0f} s.</source>
            <translation>{host} が 429 を返しました。{seconds:.0f} 秒後にもう一度問い合わせできます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered 429.</source>
            <translation>{host} が 429 を返しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Wait a few minutes. With an access token it may be asked more often: powerinfer-tray key set {host}</source>
            <translation>数分お待ちください。アクセストークンがあれば、より多く問い合わせできます: powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} was asked too often</source>
            <translation>{host} への問い合わせが多すぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>There is no such repository</source>
            <translation>そのリポジトリはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered {status}: it knows none of this name.</source>
            <translation>{host} の応答は {status} です。その名前のリポジトリはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check owner and repository, with upper and lower case. If it is private, it needs an access token: powerinfer-tray key set {host}</source>
            <translation>所有者とリポジトリを確認してください。大文字と小文字は区別されます。非公開の場合はアクセストークンが必要です: powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The repository has no such revision</source>
            <translation>リポジトリにそのリビジョンはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered {status}: no branch, tag or commit has this name.</source>
            <translation>{host} が {status} を返しました。この名前のブランチ、タグ、コミットはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Leave the revision out to get the branch main: hf:owner/repository</source>
            <translation>リビジョンを省くと main ブランチになります: hf:owner/repository</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The proxy does not let us through</source>
            <translation>プロキシが接続を許可しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>For {host}, it answered {status}.</source>
            <translation>{host} への接続に対する応答は {status} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Ask whoever runs the proxy, or use another source.</source>
            <translation>プロキシの管理者に問い合わせるか、別の配布元を使用してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The proxy wants a login</source>
            <translation>プロキシが認証を要求しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The proxy between this computer and {host} answered 407: it lets in only who signs in.</source>
            <translation>このコンピューターと {host} の間のプロキシの応答は 407 です。認証されたユーザーのみ接続できます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Set HTTP_PROXY and HTTPS_PROXY to http://USER:PASSWORD@PROXY:PORT, with signs such as @ or : in the password as %40, %3A, and start this app again. If they have a login, it is not the right one.</source>
            <translation>HTTP_PROXY と HTTPS_PROXY を http://USER:PASSWORD@PROXY:PORT の形式で設定し (パスワードの @ や : などの記号は %40、%3A と書きます)、このアプリを起動し直してください。すでに認証情報が含まれている場合は、それが正しくありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered {status}: {reason}</source>
            <translation>{host} の応答 {status}: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>the file is gated</source>
            <translation>ファイルへのアクセスは制限されています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Open the model's page on {host}, sign in and accept the terms. Then enter an access token: in the settings under Models, or with powerinfer-tray key set {host}</source>
            <translation>{host} でモデルのページを開き、サインインして利用条件に同意してください。その後、設定の「モデル」または powerinfer-tray key set {host} でアクセストークンを入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Open the model's page on {host}, sign in and accept the terms. Then store an access token: powerinfer-tray key set {host}</source>
            <translation>{host} でモデルのページを開き、サインインして利用条件に同意してください。その後、アクセストークンを保存します: powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>No secure connection</source>
            <translation>安全に接続できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} could not prove who it is ({reason}).</source>
            <translation>{host} の身元を確認できませんでした ({reason})。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the computer's clock. A company's own certificate must be in the system's store.</source>
            <translation>コンピューターの時計を確認してください。会社独自の証明書は、システムの証明書ストアに登録されている必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Could not reach {host}</source>
            <translation>{host} に接続できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{reason}.</source>
            <translation>{reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the connection to the internet and the address.</source>
            <translation>インターネット接続とアドレスを確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The proxy does not answer</source>
            <translation>プロキシが応答しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the proxy in the system's settings.</source>
            <translation>システムのプロキシ設定を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>This address cannot be used</source>
            <translation>このアドレスは使用できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The connection was lost</source>
            <translation>接続が切れました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>What has arrived is kept. Press Resume to go on from there.</source>
            <translation>受信した分は保存されています。［再開］を押すと続きから再開します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The file has changed on the server</source>
            <translation>サーバー上のファイルが変更されました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Download it again, from its start.</source>
            <translation>最初からダウンロードし直してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>What the server offers as {name} is not the file that was begun.</source>
            <translation>サーバーが {name} として提供しているのは、ダウンロードを始めたときのファイルではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Nothing more came from the server.</source>
            <translation>サーバーから何も届かなくなりました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The server ended it in the middle of the file.</source>
            <translation>サーバーがファイルの途中で送信を終了しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Something else has the name of this download's file</source>
            <translation>このダウンロードのファイル名は別のものに使われています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{path}: {reason}. Nothing is written there.</source>
            <translation>{path}: {reason}。そこには何も書き込みません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Look who has put it there. If nobody needs it, delete it and press Resume.</source>
            <translation>誰が置いたものか確認してください。不要であれば削除し、「再開」を押してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>This disk cannot keep files that large</source>
            <translation>このディスクには、この大きさのファイルを保存できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{name} has become too large for the disk of {folder}. FAT32, which many USB sticks have, takes files of up to 4 GB; a quota may set another limit.</source>
            <translation>{name} は、{folder} のディスクに保存できる大きさを超えました。USB メモリに多い FAT32 では、ファイルは 4 GB までです。クォータによる制限の場合もあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Choose a models folder on a disk with exFAT, NTFS, APFS or ext4, or a smaller or split model. What has arrived is kept: move its files (.part, .part.json) there, and the download goes on.</source>
            <translation>exFAT、NTFS、APFS、ext4 のいずれかのディスクにあるモデルフォルダーを選択するか、より小さいモデルまたは分割されたモデルを選択してください。受信した分は保存されています。そのファイル (.part、.part.json) を新しいフォルダーに移すと、ダウンロードを続けられます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The disk is full</source>
            <translation>ディスクがいっぱいです</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>There was no room left for {name} in {folder}.</source>
            <translation>{folder} に {name} を保存する空き容量がありませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Free some space and press Resume, or choose another models folder.</source>
            <translation>空き容量を増やして［再開］を押すか、別のモデルフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{path}: {reason}.</source>
            <translation>{path}: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check that the drive is there and that you may write to it, or choose another models folder.</source>
            <translation>ドライブが接続されていて書き込めることを確認するか、別のモデルフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>No answer in time</source>
            <translation>時間内に応答がありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part.py" />
            <source>Another download has this name</source>
            <translation>同じ名前の別のダウンロードがあります</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part.py" />
            <source>{path} is being downloaded from another address.</source>
            <translation>{path} は別のアドレスからダウンロード中です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part.py" />
            <source>Let that one end, or cancel it. Then download this one again.</source>
            <translation>そのダウンロードの完了を待つか、キャンセルしてから、こちらをもう一度ダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part_lock.py" />
            <source>Another program is downloading this file</source>
            <translation>別のプログラムがこのファイルをダウンロード中です</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part_lock.py" />
            <source>{path} is being written, perhaps by this app in another window or terminal.</source>
            <translation>{path} は書き込み中です。このアプリが別のウィンドウまたは端末で書き込んでいる可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part_lock.py" />
            <source>Wait until it is there, or stop the other download.</source>
            <translation>完了するまで待つか、もう一方のダウンロードを停止してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download is paused</source>
            <translation>ダウンロードは一時停止中です</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download is cancelled</source>
            <translation>ダウンロードはキャンセルされました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>{count:,} bytes of {name} have arrived.</source>
            <translation>{name} を {count:,} バイト受信しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>Resume it to go on from there.</source>
            <translation>再開すると続きからダウンロードします。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download failed unexpectedly</source>
            <translation>ダウンロードが予期せず失敗しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>There is no GGUF model in {repository}</source>
            <translation>{repository} に GGUF モデルがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>This app runs models in the GGUF format.</source>
            <translation>このアプリが実行できるのは GGUF 形式のモデルです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>Look on Hugging Face for a repository of this model with GGUF in its name.</source>
            <translation>Hugging Face で、このモデルのリポジトリのうち名前に GGUF を含むものを探してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>The files of {repository} could not be listed</source>
            <translation>{repository} のファイルの一覧を取得できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>{site} did not answer with a list of files.</source>
            <translation>{site} の応答はファイルの一覧ではありませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>Give the address of the file itself.</source>
            <translation>ファイル自体のアドレスを入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>{repository} has several models</source>
            <translation>{repository} には複数のモデルがあります</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>{repository} has no {tag}</source>
            <translation>{repository} に {tag} はありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>It has: {names}.</source>
            <translation>含まれているもの: {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>Name one of them: {example}</source>
            <translation>次のように 1 つを指定してください: {example}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server sent a compressed file</source>
            <translation>サーバーが圧縮されたファイルを送信しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>It was asked not to.</source>
            <translation>圧縮しないように要求しましたが、応じませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>Try another source.</source>
            <translation>別の配布元を試してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server sent another piece of the file than it was asked for.</source>
            <translation>サーバーが、要求した部分とは別の部分を送信しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server announced {first} bytes, then {second}.</source>
            <translation>サーバーが通知したサイズが {first} バイトから {second} バイトに変わりました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The file could not be checked</source>
            <translation>ファイルを検証できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server says neither its size nor its SHA-256: half a file would look like a whole one.</source>
            <translation>サーバーがサイズも SHA-256 も示さないため、途中までのファイルを完全なファイルと区別できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>Use another source, or give the SHA-256.</source>
            <translation>別の配布元を使用するか、SHA-256 を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server sends next to nothing.</source>
            <translation>サーバーからほとんどデータが届きません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>Too many redirects</source>
            <translation>リダイレクトが多すぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host} sends every request on to another address.</source>
            <translation>{host} が、すべてのリクエストを別のアドレスへ転送しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The server sends us on over an open line</source>
            <translation>サーバーが暗号化されていない接続へ転送しようとしています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host} answers over https, and sends us to {target}, where others can read and change what comes.</source>
            <translation>{host} は https で応答しますが、{target} へ転送します。そこでは第三者が内容を読み取ったり改変したりできます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>If you trust that line, give that address itself.</source>
            <translation>その接続を信頼する場合は、そのアドレスを直接指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>it has signs in it that no address can have, or too many</source>
            <translation>アドレスに使えない文字が含まれているか、文字数が多すぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The server sends us to a broken address</source>
            <translation>サーバーが不正なアドレスへ転送しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host}: {reason}.</source>
            <translation>{host}: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The server sends us into a private network</source>
            <translation>サーバーがプライベートネットワークへ転送しようとしています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{sender} is on the internet, and leads to {host} ({address}), which is on this computer or in its network.</source>
            <translation>{sender} はインターネット上にありますが、このコンピューターまたはそのネットワーク内の {host} ({address}) へ誘導しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>If you trust it, give the address there itself.</source>
            <translation>信頼する場合は、そのアドレスを直接指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The proxy cannot be used</source>
            <translation>プロキシを使用できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{proxy} is not the address of an HTTP proxy (http://host:port).</source>
            <translation>{proxy} は HTTP プロキシのアドレス (http://host:port) ではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>What has arrived is kept. Free some space and press Resume, or choose another models folder.</source>
            <translation>受信した分は保存されています。空き容量を増やして「再開」を押すか、別のモデルフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>The server sends more than the model has</source>
            <translation>サーバーがモデルの大きさを超えるデータを送っています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>By its header, the model ends after {size:.2f} GB; {received:.2f} GB have come.</source>
            <translation>ヘッダーによればモデルは {size:.2f} GB で終わりますが、{received:.2f} GB を受信しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>Use another source.</source>
            <translation>別の配布元を使用してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>The address names no file</source>
            <translation>アドレスにファイル名がありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>{repository} is a repository, which may have many.</source>
            <translation>{repository} はリポジトリで、複数のファイルが含まれている可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>“{text}” ends without a file name.</source>
            <translation>「{text}」の末尾にファイル名がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>This is not a SHA-256</source>
            <translation>これは SHA-256 ではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>“{text}” should be 64 characters of 0-9 and a-f.</source>
            <translation>「{text}」は 0～9 と a～f の 64 文字である必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>The server does not say clearly how large the file is</source>
            <translation>サーバーがファイルの大きさを正しく示していません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>It says “{header}: {text}”, which is not a number.</source>
            <translation>「{header}: {text}」は数値ではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/throttle.py" />
            <source>This is not a speed</source>
            <translation>これは速度ではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/throttle.py" />
            <source>“{text}” should be a number with a unit.</source>
            <translation>「{text}」は単位付きの数値である必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/throttle.py" />
            <source>For example: 500k, 2.5MB/s</source>
            <translation>例: 500k、2.5MB/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The address gives a web page, not a file</source>
            <translation>アドレスの先はファイルではなく Web ページです</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The server answered with HTML: a sign-in page, a notice of the network, or a page about the file.</source>
            <translation>サーバーが HTML を返しました。サインインページ、ネットワークからの通知、またはファイルの説明ページです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Open the address in a browser, then copy the address of its download button.</source>
            <translation>アドレスをブラウザーで開き、ダウンロードボタンのアドレスをコピーしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The address gives a pointer, not the file</source>
            <translation>アドレスの先はファイルではなくポインターです</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The server holds only a Git LFS pointer of 130 bytes here.</source>
            <translation>サーバーのこの場所には、130 バイトの Git LFS ポインターしかありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Use the address of the download button, which has /resolve/ in it.</source>
            <translation>/resolve/ を含む、ダウンロードボタンのアドレスを使用してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>This is not a model file</source>
            <translation>これはモデルファイルではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>It begins with neither GGUF nor PWRI, as every model for this app does.</source>
            <translation>このアプリ用のモデルは必ず GGUF または PWRI で始まりますが、このファイルはどちらでもありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Choose a file that ends in .gguf or .powerinfer.gguf.</source>
            <translation>末尾が .gguf または .powerinfer.gguf のファイルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The file is damaged or is not the one expected</source>
            <translation>ファイルが破損しているか、想定したファイルではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Its SHA-256 is {actual}, but should be {expected}.</source>
            <translation>SHA-256 は {expected} であるはずですが、{actual} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Download it again. If that does not help, the source offers another file.</source>
            <translation>もう一度ダウンロードしてください。それでも解決しない場合、配布元が別のファイルを提供しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>{message} What has arrived is now {name}.</source>
            <translation>{message}受信したものは {name} という名前で残してあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server sent the whole file in place of a piece.</source>
            <translation>サーバーが、一部分ではなくファイル全体を送信しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server sends another size than it announced</source>
            <translation>サーバーが、通知したサイズと異なる量を送信しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>There is more than the {count} bytes of the file.</source>
            <translation>ファイルの {count} バイトを超えるデータがあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>Try again, or use another source.</source>
            <translation>もう一度試すか、別の配布元を使用してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server stopped before byte {end}, at {at}.</source>
            <translation>サーバーが {end} バイト目より前の {at} バイト目で停止しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>Called off</source>
            <translation>キャンセルしました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It has more than {count:,} files.</source>
            <translation>{count:,} 個を超えるファイルが含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It has more than {size:,} bytes in it.</source>
            <translation>内容が {size:,} バイトを超えています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>What is in it is {times} times its own size.</source>
            <translation>内容がアーカイブ自身の {times} 倍の大きさです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It would run with the rights of another user or group.</source>
            <translation>別のユーザーまたはグループの権限で実行されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It has no name.</source>
            <translation>名前がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>“{name}” is not whole.</source>
            <translation>「{name}」は不完全です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It stands for a file that is not in the archive before it.</source>
            <translation>アーカイブ内でそれより前にないファイルを指しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>Something of this name is there already.</source>
            <translation>同じ名前のものが既にあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>It is neither a file nor a folder.</source>
            <translation>ファイルでもフォルダーでもありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>It is a link, and leads to no file of the archive.</source>
            <translation>リンクですが、アーカイブ内のファイルを指していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>{name} is locked with a password</source>
            <translation>{name} はパスワードで保護されています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>What is in it cannot be read without.</source>
            <translation>パスワードなしでは内容を読み取れません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Unpack it yourself, and give the folder.</source>
            <translation>ご自分で展開し、そのフォルダーを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>{name} cannot be unpacked</source>
            <translation>{name} を展開できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>It is damaged, not whole, or no archive: {why}</source>
            <translation>破損しているか、不完全か、アーカイブではありません: {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Download or copy it again. Engines come as .zip or .tar.gz, or as a folder.</source>
            <translation>もう一度ダウンロードまたはコピーしてください。エンジンは .zip、.tar.gz、またはフォルダーです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>{name} holds more than an engine takes</source>
            <translation>{name} の内容はエンジンとしては大きすぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Nothing of it was kept. Get it from its makers: published engines are smaller.</source>
            <translation>何も保存されていません。配布元から入手してください。公開されているエンジンはもっと小さいものです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It leads out of its folder.</source>
            <translation>フォルダーの外を指しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>A part of its path has no name.</source>
            <translation>パスの一部に名前がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It is too long.</source>
            <translation>長すぎます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It has characters that not every system allows.</source>
            <translation>すべてのシステムで使えるとは限らない文字が含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It begins or ends with what Windows leaves out.</source>
            <translation>Windows が無視する文字で始まるか終わっています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It is the name of a device on Windows.</source>
            <translation>Windows のデバイス名です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It is an absolute path.</source>
            <translation>絶対パスです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It has too many folders in each other.</source>
            <translation>フォルダーの階層が深すぎます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>Another has the same name on some systems: {other}.</source>
            <translation>システムによっては別のものと同じ名前になります: {other}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It is a link that leads out of its folder.</source>
            <translation>フォルダーの外を指すリンクです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>The archive is not safe to unpack</source>
            <translation>このアーカイブの展開は安全ではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>“{name}”: {why}</source>
            <translation>「{name}」: {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>Nothing of it was kept. Get it from its makers: published engines are not like that.</source>
            <translation>何も保存されていません。配布元から入手してください。公開されているエンジンにこのようなものはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The built-in engine uses the graphics of Apple Silicon (Metal): there is nothing to install.</source>
            <translation>内蔵エンジンは Apple シリコンのグラフィックス (Metal) を使っています。インストールするものはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It does no more with this processor than the built-in engine.</source>
            <translation>このプロセッサーでは内蔵エンジンと変わりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Nothing on offer is faster here than the built-in engine.</source>
            <translation>ここでは内蔵エンジンより速いものは提供されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It needs a card of NVIDIA.</source>
            <translation>NVIDIA のカードが必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>NVIDIA's driver for your {card} is missing or does not answer: get it from nvidia.com/drivers.</source>
            <translation>お使いの {card} 用の NVIDIA ドライバーがないか、応答しません。nvidia.com/drivers から入手してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} is too old for CUDA {cuda}: its compute capability is {compute}, and {oldest} is needed.</source>
            <translation>お使いの {card} は CUDA {cuda} には古すぎます。Compute Capability は {compute} ですが、{oldest} が必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} has driver {driver}, and CUDA {cuda} needs {oldest} or newer: get it from nvidia.com/drivers.</source>
            <translation>お使いの {card} のドライバーは {driver} ですが、CUDA {cuda} には {oldest} 以降が必要です。nvidia.com/drivers から入手してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} needs a driver for CUDA {cuda} or newer, and yours is for {known}: get one from nvidia.com/drivers.</source>
            <translation>お使いの {card} には CUDA {cuda} 以降に対応したドライバーが必要ですが、現在のものは {known} 用です。nvidia.com/drivers から入手してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Vulkan works with more cards of AMD, and is a small part of the download.</source>
            <translation>Vulkan はより多くの AMD カードで動作し、ダウンロードもずっと小さくて済みます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It needs a card of AMD.</source>
            <translation>AMD のカードが必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It needs a graphics card.</source>
            <translation>グラフィックカードが必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Vulkan is missing for your {card}: its newest driver brings it.</source>
            <translation>お使いの {card} 用の Vulkan がありません。最新のドライバーに含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Vulkan is missing for your {card}: install the packages libvulkan1 and mesa-vulkan-drivers, or vulkan-loader on Fedora.</source>
            <translation>お使いの {card} 用の Vulkan がありません。パッケージ libvulkan1 と mesa-vulkan-drivers (Fedora では vulkan-loader) をインストールしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>What is on offer needs GNU's C library, which this Linux does not have.</source>
            <translation>提供されているものには GNU C ライブラリが必要ですが、この Linux にはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} needs a newer Linux, with GNU's C library {needed}: this one has {version}.</source>
            <translation>{build} には GNU C ライブラリ {needed} を備えた新しい Linux が必要です。この Linux は {version} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} was tried, and does not work here: {why}.</source>
            <translation>{build} を試しましたが、ここでは動作しません: {why}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>This app comes without an engine made for Windows on ARM</source>
            <translation>このアプリには ARM 版 Windows 用のエンジンが付属していません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The built-in engine is made for all ARM processors, not for what yours can do</source>
            <translation>内蔵エンジンはすべての ARM プロセッサー向けで、お使いのプロセッサーの機能を活かしていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>This app comes without an engine for Macs with a processor of Intel</source>
            <translation>このアプリには Intel プロセッサー搭載 Mac 用のエンジンが付属していません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The built-in engine does not run on your processor, which lacks AVX2</source>
            <translation>お使いのプロセッサーには AVX2 がないため、内蔵エンジンは動作しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your processor has {extensions}, which the built-in engine does not use</source>
            <translation>お使いのプロセッサーには {extensions} がありますが、内蔵エンジンは使っていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} does the same.</source>
            <translation>{build} が同じ役割を果たします。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It uses no graphics card.</source>
            <translation>グラフィックカードを使いません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is faster.</source>
            <translation>{build} のほうが高速です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is installed, and uses your {card}.</source>
            <translation>{build} がインストール済みで、お使いの {card} を使っています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is installed, and made for your processor.</source>
            <translation>お使いのプロセッサー向けの {build} がインストール済みです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is installed: {speed:.1f} times as fast as the built-in engine.</source>
            <translation>{build} がインストール済みで、速さは内蔵エンジンの {speed:.1f} 倍です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Update {old} to {build}: {cost}.</source>
            <translation>{old} を {build} に更新: {cost}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{gain}: {build}, {cost}.</source>
            <translation>{gain}: {build}、{cost}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>This is a virtual machine without a graphics card of its own.</source>
            <translation>これは専用のグラフィックカードがない仮想マシンです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>No graphics card of NVIDIA, AMD or Intel was found.</source>
            <translation>NVIDIA、AMD、Intel のグラフィックカードが見つかりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>As things are, Vulkan can use your {card}: {build}, {cost}.</source>
            <translation>現状のままでも、Vulkan なら {card} を使えます: {build}、{cost}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} is a part of the processor and shares its memory, so it may be faster or slower than the processor alone. To try it: {build}, {cost}.</source>
            <translation>お使いの {card} はプロセッサーの一部でメモリを共有するため、プロセッサーだけの場合より速いことも遅いこともあります。試すには: {build}、{cost}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Use your {card}, not the {other} of the processor: {build}, {cost}.</source>
            <translation>プロセッサーの {other} ではなく {card} を使います: {build}、{cost}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Use your {card}: {build}, {cost}.</source>
            <translation>お使いの {card} を使います: {build}、{cost}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>There is no engine in {name}</source>
            <translation>{name} にエンジンがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>It has no program called {names}.</source>
            <translation>{names} という名前のプログラムがありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>Choose the archive or folder that was built for {system}.</source>
            <translation>{system} 用にビルドされたアーカイブまたはフォルダーを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>{name} has more in it than an engine</source>
            <translation>{name} にはエンジン以外のものも入っています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>It has {count:,} files of {size:.1f} GB.</source>
            <translation>{count:,} 個のファイル、合計 {size:.1f} GB があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>Choose the folder that the engine's program is in, and nothing else.</source>
            <translation>エンジンのプログラムだけが入っているフォルダーを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>{reason} ({path}).</source>
            <translation>{reason} ({path})。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>Check that it is there, and that you may read it.</source>
            <translation>存在すること、読み取りが許可されていることを確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} is another link</source>
            <translation>{file} は別のリンクです</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} was added</source>
            <translation>{file} が追加されました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} is another</source>
            <translation>{file} は別のものです</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} is gone</source>
            <translation>{file} がありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>Another engine is being installed</source>
            <translation>別のエンジンをインストールしています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>It is {id}.</source>
            <translation>{id} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>Wait until it is installed, or cancel it: powerinfer-tray engines remove {id}</source>
            <translation>インストールが終わるまで待つか、中止してください: powerinfer-tray engines remove {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>The installation failed unexpectedly</source>
            <translation>インストールが予期せず失敗しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>{name} has {size:,} bytes there, but should have {expected:,}.</source>
            <translation>配布元の {name} は {size:,} バイトですが、本来は {expected:,} バイトです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>{id} is there twice for {system} ({machine}).</source>
            <translation>{system} ({machine}) 用の {id} が 2 つあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>The list of engines on offer cannot be read</source>
            <translation>提供されているエンジンの一覧を読み取れません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>{path}: {why}</source>
            <translation>{path}: {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>Install the app again, or mend the file.</source>
            <translation>アプリを再インストールするか、ファイルを修正してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Install or update NVIDIA's driver, or choose an engine for the processor.</source>
            <translation>NVIDIA のドライバーをインストールまたは更新するか、プロセッサー用のエンジンを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Install AMD's driver, or choose an engine for the processor.</source>
            <translation>AMD のドライバーをインストールするか、プロセッサー用のエンジンを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Install the driver of the card's maker, or choose an engine for the processor.</source>
            <translation>グラフィックスカードのメーカーのドライバーをインストールするか、プロセッサー用のエンジンを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>{name} finds no graphics card</source>
            <translation>{name} がグラフィックスカードを見つけられません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>It computes with {back_end}, and lists no card for that: there is none, or its driver is missing or too old.</source>
            <translation>{back_end} で計算しますが、使えるカードがありません。カードがないか、ドライバーがないか古すぎます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>{name} does not compute right on this machine</source>
            <translation>{name} はこのマシンで正しく計算しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Choose another engine. The one that comes with the app goes on as before.</source>
            <translation>別のエンジンを選んでください。アプリに付属のエンジンはこれまでどおり使えます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store.py" />
            <source>It would have more than {size:,} bytes.</source>
            <translation>{size:,} バイトを超えます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store.py" />
            <source>Its folder is a link.</source>
            <translation>フォルダーがリンクです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store.py" />
            <source>{file} contradicts itself.</source>
            <translation>{file} の内容に矛盾があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>There is no engine “{id}”</source>
            <translation>エンジン「{id}」はありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>No engine of this name was installed with this app.</source>
            <translation>この名前のエンジンはこのアプリでインストールされていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engine “{id}” cannot be used</source>
            <translation>エンジン「{id}」は使用できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>What was noted at its installation is missing or damaged: {why}</source>
            <translation>インストール時の記録がないか、破損しています: {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Install it again, or remove it: powerinfer-tray engines remove {id}</source>
            <translation>もう一度インストールするか、削除してください: powerinfer-tray engines remove {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Install it again: powerinfer-tray engines install {id}</source>
            <translation>もう一度インストールしてください: powerinfer-tray engines install {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Install it again from {path}</source>
            <translation>{path} からもう一度インストールしてください</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engine “{id}” has changed since it was installed</source>
            <translation>エンジン「{id}」はインストール後に変更されています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{changes}. A virus scanner may have taken or replaced files; the engine is not started.</source>
            <translation>{changes}。ウイルス対策ソフトがファイルを削除または置き換えた可能性があります。エンジンは起動しません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{told} and {count} more</source>
            <translation>{told}、ほか {count} 件</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{again}. If it comes again, have the virus scanner leave its folder alone.</source>
            <translation>{again}。繰り返す場合は、ウイルス対策ソフトでそのフォルダーを除外してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>A program has its files open: the engine itself, or one that looks through them.</source>
            <translation>エンジン自体か、ファイルを調べている別のプログラムがファイルを開いています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Stop the server, and try again.</source>
            <translation>サーバーを停止して、もう一度お試しください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The folder of the engines cannot be read</source>
            <translation>エンジンのフォルダーを読み取れません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{path}: {reason}</source>
            <translation>{path}: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Check the rights of this folder.</source>
            <translation>このフォルダーの権限を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The folder of the engines cannot be written to</source>
            <translation>エンジンのフォルダーに書き込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Check the rights of this folder, and the space on its disk.</source>
            <translation>このフォルダーの権限と、ディスクの空き容量を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engines are being changed by another program</source>
            <translation>別のプログラムがエンジンを変更しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>It has locked {folder}.</source>
            <translation>{folder} をロックしています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Try again when it has finished; if it stays so, end the other PowerInfer Tray.</source>
            <translation>終了してからもう一度お試しください。続く場合は、もう一方の PowerInfer Tray を終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engine “{id}” cannot be kept</source>
            <translation>エンジン「{id}」を保存できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The list of its files cannot be written: {why}</source>
            <translation>ファイルの一覧を書き込めません: {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Give its files and folders names in plain letters.</source>
            <translation>ファイルとフォルダーの名前を通常の文字にしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} {release} for {cards} ({back_end})</source>
            <translation>{engine} {release} ({cards} 用、{back_end})</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{sizes} from {place}; terms: {terms}</source>
            <translation>{place} から {sizes}、利用条件: {terms}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{size:.0f} MB</source>
            <translation>{size:.0f} MB</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>Without a network: fetch {name} from {address} on another computer, bring it here, and choose it with «From a File…» or type: powerinfer-tray engines install {name}</source>
            <translation>ネットワークがない場合: 別のコンピューターで {address} から {name} を入手してここに持ってきて、「ファイルから…」で選ぶか、次のように入力してください: powerinfer-tray engines install {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>Without a network: fetch {names} from {address} on another computer, bring them here in one folder, and choose that with «From a Folder…» or type: powerinfer-tray engines install FOLDER</source>
            <translation>ネットワークがない場合: 別のコンピューターで {address} から {names} を入手し、1 つのフォルダーに入れてここに持ってきて、「フォルダーから…」で選ぶか、次のように入力してください: powerinfer-tray engines install フォルダー</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used, as the setting «Engine» says.</source>
            <translation>設定「エンジン」に従って {engine} を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used: no other engine here can run this model.</source>
            <translation>{engine} を使用します。ここではほかのエンジンでこのモデルを実行できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used: it is the fastest that is installed and proven here.</source>
            <translation>{engine} を使用します。インストールされ検証済みのものの中で最も高速です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used: it was measured {speed:.1f} times as fast as the built-in engine.</source>
            <translation>{engine} を使用します。測定では内蔵エンジンの {speed:.1f} 倍の速さでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used: there is no built-in engine for this machine.</source>
            <translation>{engine} を使用します。このコンピューター用の内蔵エンジンはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used.</source>
            <translation>{engine} を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used: no other one is installed that could be faster.</source>
            <translation>{engine} を使用します。より高速なエンジンはインストールされていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>Not {build}: {reason}</source>
            <translation>{build} は使用しません: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>NVIDIA</source>
            <translation>NVIDIA</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>AMD</source>
            <translation>AMD</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>graphics cards</source>
            <translation>グラフィックカード</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>Apple Silicon</source>
            <translation>Apple シリコン</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>the processor</source>
            <translation>プロセッサー</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>The built-in llama.cpp</source>
            <translation>内蔵の llama.cpp</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>PowerInfer</source>
            <translation>PowerInfer</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>A server on another machine</source>
            <translation>別のコンピューター上のサーバー</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install PowerInfer's server and set «Engine» to its path in the settings, or choose a plain GGUF model.</source>
            <translation>PowerInfer サーバーをインストールして設定の「エンジン」にパスを指定するか、通常の GGUF モデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>This model needs the PowerInfer engine</source>
            <translation>このモデルには PowerInfer エンジンが必要です</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>It is a sparse model, and the chosen engine is {kind}.</source>
            <translation>スパースモデルですが、選択されているエンジンは {kind} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Set «Engine» to auto, or to the path of a PowerInfer server.</source>
            <translation>「エンジン」を auto にするか、PowerInfer サーバーのパスを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>It was not measured to be faster than the built-in engine.</source>
            <translation>内蔵エンジンより速いとは測定されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>The chosen engine is a server on another machine</source>
            <translation>選択されているエンジンは別のマシン上のサーバーです</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>It runs models of its own, none of this machine.</source>
            <translation>そのサーバー自身のモデルを実行し、このマシンのモデルは実行しません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Set «Engine» to auto to run models here.</source>
            <translation>このマシンでモデルを実行するには、「エンジン」を auto にしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>There is no llama-server on this machine</source>
            <translation>このマシンには llama-server がありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>No folder of the PATH has a program of that name.</source>
            <translation>PATH のどのフォルダーにも、その名前のプログラムがありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install llama.cpp's llama-server, or set «Engine» to its full path in the settings.</source>
            <translation>llama.cpp の llama-server をインストールするか、設定の「エンジン」にそのフルパスを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>The engine {name} is not installed</source>
            <translation>エンジン {name} はインストールされていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>No build of it for {back_end} was installed with this app.</source>
            <translation>{back_end} 用のビルドはこのアプリでインストールされていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install one: powerinfer-tray engines install ID. What is on offer: powerinfer-tray engines list. Or set «Engine» to auto.</source>
            <translation>インストール: powerinfer-tray engines install ID。入手できるもの: powerinfer-tray engines list。または「エンジン」を auto にしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>There is no PowerInfer engine on this machine</source>
            <translation>このコンピューターに PowerInfer エンジンがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>None was found in the settings, in this app or on the PATH.</source>
            <translation>設定にもアプリの付属にも PATH にも見つかりませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>There is no llama.cpp engine on this machine</source>
            <translation>このコンピューターに llama.cpp エンジンがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>The one that comes with this app does not exist for this kind of machine.</source>
            <translation>アプリ付属のエンジンは、この種類のコンピューター用には用意されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install llama.cpp's llama-server and set «Engine» to its path in the settings.</source>
            <translation>llama.cpp の llama-server をインストールし、設定の「エンジン」にパスを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The system cannot start the engine just now</source>
            <translation>現在、システムがエンジンを起動できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It says: {reason}.</source>
            <translation>メッセージ: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It is tried again. If it goes on, close other programs.</source>
            <translation>再試行します。続く場合は、他のプログラムを終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine could not be started</source>
            <translation>エンジンを起動できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>Or set «Engine» to auto: another engine then takes its place when it fails.</source>
            <translation>または「エンジン」を auto にすると、失敗したときに別のエンジンが代わります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>{hint} {other}</source>
            <translation>{hint}{other}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine hangs</source>
            <translation>エンジンが応答しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>For {seconds:.0f} seconds it has done nothing that was asked of it.</source>
            <translation>{seconds:.0f} 秒間、要求された処理を何も行っていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>If it happens again, choose another model or engine.</source>
            <translation>繰り返す場合は、別のモデルまたはエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>This model's file makes the engine use more than it should</source>
            <translation>このモデルのファイルはエンジンに過大な負荷をかけます</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The chat template in the file can do that. Choose another model, or get this one from its maker.</source>
            <translation>ファイル内のチャットテンプレートが原因の可能性があります。別のモデルを選択するか、提供元から入手し直してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>A request makes the engine use more than it should</source>
            <translation>リクエストがエンジンに過大な負荷をかけています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>For {seconds:.0f} seconds it has computed and worked on nothing.</source>
            <translation>{seconds:.0f} 秒間、何も処理せずに計算を続けています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The chat template in the model's file can do that. If it happens again, choose another model.</source>
            <translation>モデルのファイル内のチャットテンプレートが原因の可能性があります。再発する場合は、別のモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The model was read from {model}.</source>
            <translation>モデルは {model} から読み込まれていました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>When it is there again, the server starts by itself. Or choose another model.</source>
            <translation>元に戻ると、サーバーは自動的に起動します。または別のモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine ended by itself</source>
            <translation>エンジンが自ら終了しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It ended with {name}.</source>
            <translation>{name} で終了しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine's log says more.</source>
            <translation>詳細はエンジンのログにあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Download the model again, or choose another one.</source>
            <translation>モデルをもう一度ダウンロードするか、別のモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Lower the context size, choose a smaller model, or close other programs.</source>
            <translation>コンテキストサイズを小さくするか、より小さいモデルを選択するか、ほかのプログラムを終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The system does not run {named}.</source>
            <translation>システムが {named} を実行しません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>If it has vanished, a virus scanner may have taken it: install it again, or choose another.</source>
            <translation>消えている場合は、ウイルス対策ソフトが削除した可能性があります。再インストールするか、別のものを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine's port was taken by another program</source>
            <translation>エンジンのポートが別のプログラムに使用されました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Somebody else took the free port that was chosen for it.</source>
            <translation>エンジン用に選んだ空きポートを、ほかのプログラムが先に使用しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is started again with another port.</source>
            <translation>別のポートで起動し直します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is short of memory, processes or open files, or the program is being written: {named}.</source>
            <translation>メモリ、プロセス数、または開けるファイル数が不足しているか、プログラムが書き込み中です: {named}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>There is not enough memory for this model</source>
            <translation>このモデルにはメモリが足りません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine asked for more than the machine could give.</source>
            <translation>エンジンが要求したメモリを、このコンピューターは確保できませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot use this model</source>
            <translation>エンジンはこのモデルを使用できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The file's header does not match its weights, or this engine does not support it.</source>
            <translation>ファイルのヘッダーと重みが一致しないか、このエンジンが対応していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Download the model again, or choose another model or engine.</source>
            <translation>モデルをもう一度ダウンロードするか、別のモデルまたはエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not accept the value of {named}</source>
            <translation>エンジンは {named} の値を受け付けません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was started with a value that it cannot use, or without one.</source>
            <translation>使用できない値を付けて、または値を付けずに起動されました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct it in the settings. It may stand in «Extra arguments».</source>
            <translation>設定で修正してください。「追加の引数」に含まれている可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine aborted</source>
            <translation>エンジンが異常終了しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It hit an internal error and aborted.</source>
            <translation>内部エラーが発生し、処理を中断しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Its last lines say more. If it happens again, choose another model or engine.</source>
            <translation>詳細は最後の数行にあります。繰り返す場合は、別のモデルまたはエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not know the argument {named}</source>
            <translation>エンジンは引数 {named} を認識しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It does not recognize this argument.</source>
            <translation>エンジンがこの引数を認識しません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Remove it from «Extra arguments» in the settings, or correct its name there.</source>
            <translation>設定の「追加の引数」から削除するか、名前を修正してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The built-in engine does not have the argument {named}</source>
            <translation>組み込みのエンジンに引数 {named} はありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is one of llama-server's that the library of llama.cpp in this app cannot be told.</source>
            <translation>llama-server の引数ですが、このアプリの llama.cpp ライブラリには指定できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Remove it from «Extra arguments», or set «Engine» to a llama-server of your own.</source>
            <translation>「追加の引数」から削除するか、「エンジン」に独自の llama-server を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot read what {named} names</source>
            <translation>エンジンは {named} に指定されたものを読み込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>There is no such file or folder, or it may not be read.</source>
            <translation>そのファイルまたはフォルダーがないか、読み取りが許可されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct «Extra arguments» in the settings. A path must be a whole one there.</source>
            <translation>設定の「追加の引数」を修正してください。パスはフルパスで指定する必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot use the projector {named}</source>
            <translation>エンジンはプロジェクター {named} を使えません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was made for another model, or this engine does not know its kind.</source>
            <translation>別のモデル用に作られたものか、このエンジンが対応していない種類です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Set «Projector» of this model to the mmproj file that was made for it, or to none. It may also stand in «Extra arguments».</source>
            <translation>このモデルの「プロジェクター」に、このモデル用の mmproj ファイルか none を設定してください。「追加の引数」にある場合もあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot use the file {named}</source>
            <translation>エンジンはファイル {named} を使用できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is not of the kind that the extra argument needs, or was made for another model.</source>
            <translation>追加の引数に必要な種類のファイルではないか、別のモデル用に作られています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct «Extra arguments» in the settings.</source>
            <translation>設定の「追加の引数」を修正してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not accept the value of an argument</source>
            <translation>エンジンは引数の値を受け付けません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was started with something that is no number where it needs one.</source>
            <translation>数値が必要なところに、数値でないものを指定して起動されました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine needs a newer system</source>
            <translation>エンジンにはより新しいシステムが必要です</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was built for one that has {named}, which this one lacks.</source>
            <translation>{named} を持つシステム用にビルドされていますが、このシステムにはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Use the engine that comes with the app, or one that was built on this system or an older one.</source>
            <translation>アプリに付属のエンジン、またはこのシステムかより古いシステムでビルドされたエンジンを使ってください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine lacks a system library</source>
            <translation>エンジンに必要なシステムライブラリがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It needs {named}, which is not on this machine.</source>
            <translation>必要な {named} がこのコンピューターにありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Install the package that contains it, or choose another engine in the settings.</source>
            <translation>それを含むパッケージをインストールするか、設定で別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Install what contains it, or choose another engine in the settings.</source>
            <translation>それを含むものをインストールするか、設定で別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine finds no NVIDIA graphics card</source>
            <translation>エンジンが NVIDIA のグラフィックスカードを検出できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was built for one, and there is none, or its driver is missing or too old.</source>
            <translation>NVIDIA 用に作られたエンジンですが、カードがないか、ドライバーがないか古すぎます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose an engine that was built without CUDA, or install NVIDIA's driver.</source>
            <translation>CUDA を使用しないエンジンを選択するか、NVIDIA のドライバーをインストールしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This PowerInfer cannot compute the model with one thread</source>
            <translation>この PowerInfer は、1 スレッドではこのモデルを計算できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was built for graphics cards. With a part of a sparse model in main memory it asks for more threads, and then loses parts of sums.</source>
            <translation>グラフィックスカード用に作られています。スパースモデルの一部がメインメモリにあると複数のスレッドを要求し、その場合は合計の一部が失われます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose a PowerInfer server that was built without CUDA, or a model that graphics memory holds.</source>
            <translation>CUDA を使用しない PowerInfer サーバーを選択するか、グラフィックスメモリに収まるモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is a sparse model, which other engines cannot read.</source>
            <translation>スパースモデルのため、ほかのエンジンでは読み込めません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose a PowerInfer server as the engine in the settings.</source>
            <translation>設定でエンジンに PowerInfer サーバーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model file is not a model</source>
            <translation>モデルファイルがモデルではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Its first bytes are not those of a GGUF file.</source>
            <translation>先頭のバイトが GGUF ファイルのものではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model file is gone</source>
            <translation>モデルファイルがなくなりました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>There is no {named}.</source>
            <translation>{named} がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Put it back, or choose another model.</source>
            <translation>元に戻すか、別のモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model file is not whole</source>
            <translation>モデルファイルが完全ではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It ends before its last weight.</source>
            <translation>最後の重みより前で終わっています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not know models of the kind «{named}»</source>
            <translation>エンジンは「{named}」という種類のモデルに対応していません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This engine is too old for this architecture, or was built without it.</source>
            <translation>このエンジンはこのアーキテクチャより古いか、これを含めずにビルドされています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose another model, or another engine in the settings.</source>
            <translation>別のモデルを選択するか、設定で別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>There is not enough graphics memory for this model</source>
            <translation>このモデルにはグラフィックメモリーが足りません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine asked for more than the card could give; other programs may have some of it.</source>
            <translation>エンジンはカードが提供できる以上を要求しました。ほかのプログラムが一部を使っている可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Set a smaller «VRAM budget» or context size, or close other programs that use the card.</source>
            <translation>「VRAM の上限」かコンテキストを小さくするか、カードを使っているほかのプログラムを閉じてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot work with these settings</source>
            <translation>エンジンはこの設定では動作できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It says: {named}.</source>
            <translation>エンジンのメッセージ: {named}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct the settings. It may stand in «Extra arguments».</source>
            <translation>設定を修正してください。「追加の引数」に原因がある可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This engine does not suit this processor</source>
            <translation>このエンジンはこのプロセッサに適合しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It uses an instruction that the processor does not have.</source>
            <translation>プロセッサにない命令を使用しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose an engine that was built for older processors.</source>
            <translation>より古いプロセッサ向けのエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine crashed</source>
            <translation>エンジンがクラッシュしました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It reached for memory that is not there. A damaged model file can be the reason.</source>
            <translation>存在しないメモリにアクセスしました。モデルファイルの破損が原因の可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model could not be read any more</source>
            <translation>モデルを読み込めなくなりました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Its file was cut short, or its drive went away, while the engine used it.</source>
            <translation>エンジンの使用中に、ファイルが切り詰められたか、ドライブが取り外されました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Connect the drive again, or download the model again.</source>
            <translation>ドライブを接続し直すか、モデルをもう一度ダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine was ended from outside</source>
            <translation>エンジンが外部から終了されました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Another program ended it, or the system did for want of memory.</source>
            <translation>別のプログラムが終了させたか、メモリ不足のためシステムが終了させました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Somebody pressed Ctrl-C, closed its window or logged off.</source>
            <translation>Ctrl-C が押されたか、ウィンドウが閉じられたか、ログオフされました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is started again.</source>
            <translation>起動し直します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>A DLL that it needs is not on this machine, or is another version of it.</source>
            <translation>必要な DLL がこのコンピューターにないか、バージョンが異なります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Install Microsoft's Visual C++ runtime, or choose another engine in the settings.</source>
            <translation>Microsoft の Visual C++ ランタイムをインストールするか、設定で別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This engine was built for another kind of machine</source>
            <translation>このエンジンは別の種類のコンピューター向けに作られています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It, or a DLL that it needs, does not suit this Windows.</source>
            <translation>エンジンまたは必要な DLL が、この Windows に適合しません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>A DLL failed to initialize. This also happens while Windows is shutting down.</source>
            <translation>DLL を初期化できませんでした。Windows のシャットダウン中にも起こります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Try again. If it happens again, choose another engine in the settings.</source>
            <translation>もう一度お試しください。繰り返す場合は、設定で別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>PowerInfer computes sparse models wrongly with several threads, so they get one.</source>
            <translation>PowerInfer は複数のスレッドではスパースモデルを正しく計算できないため、1 スレッドで実行されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>Only sparse models need several processes; this one is computed by several threads.</source>
            <translation>複数のプロセスが必要なのは疎なモデルだけです。このモデルは複数のスレッドで計算されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The server on the other machine decides this.</source>
            <translation>別のコンピューター上のサーバーで決まります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The engine that runs this model has no such option.</source>
            <translation>このモデルを実行するエンジンには、このオプションがありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>Apple Silicon shares its memory with the GPU, so there is no budget to set.</source>
            <translation>Apple Silicon はメモリを GPU と共有するため、上限の設定は必要ありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>This machine has no NVIDIA GPU that the engine could use.</source>
            <translation>このコンピューターには、エンジンが使用できる NVIDIA の GPU がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The engine that runs this model cannot use a VRAM budget.</source>
            <translation>このモデルを実行するエンジンでは、VRAM の上限を使用できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The engine that runs this model computes with no graphics card.</source>
            <translation>このモデルを実行するエンジンはグラフィックカードで計算しません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>Choose a PowerInfer server or a llama-server program.</source>
            <translation>PowerInfer サーバーまたは llama-server プログラムを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>There is no engine at {path}</source>
            <translation>{path} にエンジンがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It is a folder.</source>
            <translation>これはフォルダーです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It is not a file.</source>
            <translation>これはファイルではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} was built for another kind of machine</source>
            <translation>{name} は別の種類のコンピューター向けに作られています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It runs on {system} ({machines}); this is {here} ({machine}).</source>
            <translation>{system} ({machines}) で動作しますが、このコンピューターは {here} ({machine}) です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>Get the one for {system} ({machine}), or choose another engine.</source>
            <translation>{system} ({machine}) 用のものを入手するか、別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} is not executable</source>
            <translation>{name} は実行可能ではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>The file has no execute permission.</source>
            <translation>ファイルに実行権限がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>If it is an engine that you trust: chmod +x '{path}'</source>
            <translation>信頼できるエンジンであれば、次を実行してください: chmod +x '{path}'</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} is not an engine</source>
            <translation>{name} はエンジンではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It did not answer when asked for its options.</source>
            <translation>オプションを問い合わせても応答しませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>macOS does not let {name} run</source>
            <translation>macOS が {name} の実行を許可しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It was downloaded, and macOS has marked it so.</source>
            <translation>ダウンロードされたものとして macOS が印を付けています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>If you trust it: xattr -d com.apple.quarantine '{path}'</source>
            <translation>信頼できる場合は、次を実行してください: xattr -d com.apple.quarantine '{path}'</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} is not a program</source>
            <translation>{name} はプログラムではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>The engine {name} finds no graphics card</source>
            <translation>エンジン {name} はグラフィックカードを見つけられません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>It lists none that it could compute with.</source>
            <translation>計算に使えるカードが一覧にありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>Look whether the card's driver works, or set «Engine» to auto.</source>
            <translation>カードのドライバーが動作しているか確認するか、「エンジン」を auto にしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>Its --help output does not look like that of a model server.</source>
            <translation>--help の出力がモデルサーバーのものではないようです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>The engine cannot open a file with the name {name}</source>
            <translation>エンジンは {name} という名前のファイルを開けません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>It takes letters of UTF-8 only, and a link cannot be made: {reason}.</source>
            <translation>エンジンは UTF-8 の名前しか扱えず、リンクも作成できません: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>Rename the file so that its name has letters only.</source>
            <translation>正しい文字だけの名前にファイル名を変更してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>PowerInfer cannot open a file with the name {name}</source>
            <translation>PowerInfer は {name} という名前のファイルを開けません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>It knows plain letters only, and another name cannot be given here: {reason}.</source>
            <translation>PowerInfer は英数字の名前しか扱えず、ここでは別名も付けられません: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>Rename the file so that it has only letters from a to z and digits, or move it to an NTFS disk.</source>
            <translation>a～z の文字と数字だけの名前に変更するか、NTFS のディスクに移動してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>The remote server has no address</source>
            <translation>リモートサーバーのアドレスがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>«{url}» is not the address of a server.</source>
            <translation>「{url}」はサーバーのアドレスではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>The setting «Remote address» is empty.</source>
            <translation>設定の「リモートアドレス」が空です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>Give its base URL, as http://192.168.1.20:8000/v1.</source>
            <translation>http://192.168.1.20:8000/v1 のように、ベース URL を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>The remote server cannot be this app itself</source>
            <translation>このアプリ自身をリモートサーバーにすることはできません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>{url} is the address that this app offers.</source>
            <translation>{url} はこのアプリが提供するアドレスです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>Give the address of the other machine.</source>
            <translation>別のコンピューターのアドレスを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/load_limits.py" />
            <source>It took {taken:.1f} GiB of memory while it loaded.</source>
            <translation>読み込み中に {taken:.1f} GiB のメモリを使用しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/load_limits.py" />
            <source>It computed for {seconds:.0f} seconds while it loaded, and printed and read nothing.</source>
            <translation>読み込み中に {seconds:.0f} 秒間計算を続け、何も出力せず、何も読み取りませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Set «Context size» instead: it keeps requests within what the engine can take.</source>
            <translation>代わりに「コンテキストサイズ」を設定してください。リクエストがエンジンの限度内に収まります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Set «Model» instead.</source>
            <translation>代わりに「モデル」を設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine would download by itself. Download with this app, and set «Model».</source>
            <translation>エンジンが独自にダウンロードしてしまいます。このアプリでダウンロードし、「モデル」を設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine answers to this app alone; programs use the gateway's address.</source>
            <translation>エンジンはこのアプリだけに応答します。プログラムはゲートウェイのアドレスを使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Only this app asks the engine. For a key of programs: powerinfer-tray key set gateway</source>
            <translation>エンジンに接続するのはこのアプリだけです。プログラム用のキーは次のように設定します: powerinfer-tray key set gateway</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine answers to this app alone, and runs nothing for web pages or models.</source>
            <translation>エンジンはこのアプリだけに応答し、Web ページやモデルのために何かを実行することはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine always answers with embeddings and with text, whichever it is asked for.</source>
            <translation>エンジンは、要求に応じて常に埋め込みとテキストの両方を返します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>With a cache for each, the engine pools the texts of a list wrongly: this app decides.</source>
            <translation>キャッシュを個別にすると、リスト内のテキストのプーリングを誤るため、このアプリが決定します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine gets a free port of its own; programs use the setting «Port».</source>
            <translation>エンジンには専用の空きポートが割り当てられます。プログラムは設定の「ポート」を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Comments in a stream stop some programs.</source>
            <translation>ストリームにコメントがあると、一部のプログラムが動作しなくなります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Set «Stop when idle» instead.</source>
            <translation>代わりに「アイドル時に停止」を設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>With it, an engine prints something and ends.</source>
            <translation>これを付けると、エンジンは情報を表示するだけで終了します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>PowerInfer mixes up requests that it works on at the same time, and dies of it.</source>
            <translation>PowerInfer は同時に処理するリクエストを混同し、それが原因で終了します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>«Extra arguments» cannot have {flag}</source>
            <translation>「追加の引数」に {flag} は指定できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Remove it there.</source>
            <translation>そこから削除してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>It needs {needed:.2f} GiB, and all models together may take {budget:.2f} GiB.</source>
            <translation>{needed:.2f} GiB が必要ですが、すべてのモデルを合わせて使えるのは {budget:.2f} GiB です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>Choose a smaller model or context size, or set another budget: powerinfer-tray settings set memory_budget GIB</source>
            <translation>より小さなモデルやコンテキストサイズを選ぶか、別の上限を設定してください：powerinfer-tray settings set memory_budget GIB</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>{numbers} Of these, {free:.2f} GiB are free of models that are kept loaded; these would have to go: {models}.</source>
            <translation>{numbers}このうち、常に読み込んでおくモデルが使っていないのは {free:.2f} GiB です。解放が必要なモデル：{models}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>Unload one of them: powerinfer-tray unload {model}</source>
            <translation>いずれかを解放してください：powerinfer-tray unload {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>{name} does not fit into the memory for models</source>
            <translation>{name} はモデル用のメモリに収まりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>The model could not be loaded</source>
            <translation>モデルを読み込めませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>This is a defect of the app: {reason}</source>
            <translation>アプリの不具合です: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>See the app's log.</source>
            <translation>アプリのログをご覧ください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>The engine cannot make embeddings with this model</source>
            <translation>エンジンはこのモデルで埋め込みを作成できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>The engine cannot rank with this model</source>
            <translation>エンジンはこのモデルでランク付けを行えません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Choose another model or another engine.</source>
            <translation>別のモデルまたは別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>It answers with HTTP status {status}.</source>
            <translation>HTTP ステータス {status} を返しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Its answer cannot be understood.</source>
            <translation>応答を解釈できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Its answers contain values that are no numbers.</source>
            <translation>応答に数値ではない値が含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Its answers contain nothing but zeros.</source>
            <translation>応答がすべてゼロです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server is no longer used</source>
            <translation>リモートサーバーは使用されなくなりました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server refuses the key</source>
            <translation>リモートサーバーがキーを拒否しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>{url} answers with HTTP status {status}.</source>
            <translation>{url} は HTTP ステータス {status} を返します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Enter the key that its owner has set: in the settings under Engine, or with powerinfer-tray key set remote</source>
            <translation>所有者が設定したキーを、設定の「エンジン」または powerinfer-tray key set remote で入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server offers no models</source>
            <translation>リモートサーバーにモデルがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>{url}/models answers with HTTP status {status} and no list of models.</source>
            <translation>{url}/models は HTTP ステータス {status} を返し、モデルの一覧がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Check the address: the base URL of such a server mostly ends in /v1. If it has no list of models, enter its model under «Remote model».</source>
            <translation>アドレスを確認してください。このようなサーバーのベース URL は、ほとんどの場合 /v1 で終わります。モデルの一覧がないサーバーの場合は、「リモートモデル」にモデルを入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server has no model «{model}»</source>
            <translation>リモートサーバーに「{model}」というモデルはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>It offers {names}.</source>
            <translation>使用できるモデル: {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Choose one of these, or leave the setting «Remote model» empty.</source>
            <translation>この中から選択するか、設定の「リモートモデル」を空にしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server does not answer</source>
            <translation>リモートサーバーが応答しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>{url}: {reason}.</source>
            <translation>{url}: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Check that it runs and that this computer can reach it. It is asked again from time to time.</source>
            <translation>実行中であること、このコンピューターから接続できることを確認してください。ときどき接続を再試行します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/supervisor.py" />
            <source>The engine's supervisor has failed</source>
            <translation>エンジンの監視処理が失敗しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/supervisor.py" />
            <source>Restart the app.</source>
            <translation>アプリを再起動してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>The app did not answer</source>
            <translation>アプリが応答しませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>Another program answers in its place, and was told nothing.</source>
            <translation>別のプログラムが代わりに応答しましたが、何も送信していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>Start PowerInfer Tray again.</source>
            <translation>PowerInfer Tray を起動し直してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>The running app refused</source>
            <translation>実行中のアプリが拒否しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It answered with status {status}.</source>
            <translation>ステータス {status} が返されました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>Version {version} runs</source>
            <translation>バージョン {version} が動作しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>The PowerInfer Tray that runs (PID {pid}) is of another version</source>
            <translation>動作中の PowerInfer Tray (PID {pid}) は別のバージョンです</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>{runs}, which does not know “{name}”; this command is of version {ours}.</source>
            <translation>{runs}。そのバージョンには「{name}」がありません。このコマンドはバージョン {ours} のものです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>End it and start it again: powerinfer-tray quit, then powerinfer-tray.</source>
            <translation>終了してから、もう一度起動してください: powerinfer-tray quit、続いて powerinfer-tray。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>PowerInfer Tray has ended</source>
            <translation>PowerInfer Tray は終了しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It ran (PID {pid}), and did not answer any more.</source>
            <translation>動作していましたが (PID {pid})、応答しなくなりました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>What it was doing has stopped with it. Give the command again.</source>
            <translation>実行中だった処理も止まりました。コマンドをもう一度実行してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>PowerInfer Tray runs (PID {pid}), but does not answer</source>
            <translation>PowerInfer Tray は実行中 (PID {pid}) ですが、応答しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It was asked and has said nothing for {seconds:.0f} s.</source>
            <translation>問い合わせに {seconds:.0f} 秒間応答がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It may be busy: try again in a moment. If it stays so, end that process.</source>
            <translation>処理中の可能性があります。少し待ってからもう一度お試しください。それでも応答しない場合は、そのプロセスを終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>PowerInfer Tray cannot be reached</source>
            <translation>PowerInfer Tray に接続できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>A program holds {path}, as a running PowerInfer Tray does, but none answers.</source>
            <translation>実行中の PowerInfer Tray と同様に {path} を使用しているプログラムがありますが、応答がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>If one runs, end it and start it again. If not, delete this file.</source>
            <translation>実行中であれば終了して起動し直してください。そうでなければ、このファイルを削除してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>The server did not answer in time</source>
            <translation>サーバーが時間内に応答しませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>{url} has said nothing for {seconds:.0f} s.</source>
            <translation>{url} から {seconds:.0f} 秒間応答がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Try again later, or look at its log.</source>
            <translation>後でもう一度試すか、サーバーのログを確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>The server did not answer</source>
            <translation>サーバーが応答しませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Nobody answers at {url}.</source>
            <translation>{url} から応答がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Start the server, or look at its log.</source>
            <translation>サーバーを起動するか、ログを確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Unexpected answer from the server</source>
            <translation>サーバーから予期しない応答がありました</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>It has status {status}, and is not what this app expects.</source>
            <translation>ステータスは {status} で、このアプリの想定と異なります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>The answer broke off</source>
            <translation>応答が途中で切れました</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>The server closed the connection.</source>
            <translation>サーバーが接続を閉じました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>The server refused the text</source>
            <translation>サーバーがテキストを拒否しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>An event of the stream is not what this app expects.</source>
            <translation>ストリームのイベントがこのアプリの想定と異なります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It is the best of those that fit.</source>
            <translation>収まるものの中で最良です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It is the only one.</source>
            <translation>これしかありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, but leaves little memory to other programs.</source>
            <translation>収まりますが、他のプログラムに残るメモリはわずかです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>No better one fits. With only {bits} bits a weight, answers get worse: a smaller model may do better.</source>
            <translation>これより良いものは収まりません。重みあたり {bits} ビットしかないため、回答の質が下がります。より小さいモデルのほうが良い場合があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, loses little, and answers about twice as fast as with 8 bits a weight.</source>
            <translation>収まり、劣化が少なく、重みあたり 8 ビットの約 2 倍の速さで答えます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, and with {bits} bits a weight its results are nearly exact.</source>
            <translation>収まり、重みあたり {bits} ビットで結果はほぼ正確です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, and a small model loses much with fewer than its {bits} bits a weight.</source>
            <translation>収まります。小さいモデルは、重みあたり {bits} ビットより少ないと大きく劣化します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>From your own list.</source>
            <translation>独自のリストのモデルです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>The address names no model</source>
            <translation>アドレスがモデルを示していません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>“{source}” does not tell the name of a .gguf file.</source>
            <translation>「{source}」からは .gguf ファイルの名前がわかりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>The catalogue of models cannot be read</source>
            <translation>モデルのカタログを読み込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>{id}: {reason}</source>
            <translation>{id}: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>{id}: there is another model with {name}.</source>
            <translation>{id}: {name} を持つモデルがほかにあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>Your own list of models cannot be used</source>
            <translation>独自のモデルリストを使用できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>Each entry needs an id and a source: [[models]] id = "mine" source = "hf:owner/repo/file.gguf"</source>
            <translation>各項目には id と source が必要です: [[models]] id = "mine" source = "hf:owner/repo/file.gguf"</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>a projector file</source>
            <translation>プロジェクターファイル</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>an adapter file</source>
            <translation>アダプターファイル</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>a supplement file</source>
            <translation>補助ファイル</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The file is empty.</source>
            <translation>ファイルが空です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Download it again.</source>
            <translation>もう一度ダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is an HTML page, probably the page that describes the file.</source>
            <translation>HTML ページです。ファイルの説明ページと思われます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Download the file itself: on Hugging Face its address has /resolve/ where the page has /blob/.</source>
            <translation>ファイル本体をダウンロードしてください。Hugging Face では、ページのアドレスの /blob/ がファイルでは /resolve/ になります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is a Git LFS pointer, that only stands for the file.</source>
            <translation>Git LFS のポインターで、ファイル本体ではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Run «git lfs pull», or download it.</source>
            <translation>「git lfs pull」を実行するか、ダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It begins with {bytes}, and not with GGUF or PWRI.</source>
            <translation>先頭が GGUF や PWRI ではなく {bytes} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>No model is chosen</source>
            <translation>モデルが選択されていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The setting «model» is empty, and the server needs a model to run.</source>
            <translation>設定「model」が空です。サーバーの実行にはモデルが必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose one on the page Models, or try the built-in test model, whose answers mean nothing: powerinfer-tray serve --model test</source>
            <translation>「モデル」ページで選択するか、組み込みのテストモデル (回答に意味はありません) を試してください: powerinfer-tray serve --model test</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} does not exist</source>
            <translation>モデルファイル {name} は存在しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Nothing is at {path}.</source>
            <translation>{path} には何もありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose or download a model.</source>
            <translation>モデルを選択するかダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{name} is there already</source>
            <translation>{name} はすでにあります</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is in {folder}, and stays as it is.</source>
            <translation>{folder} にあり、そのまま残します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Remove it, or rename one of the two.</source>
            <translation>削除するか、どちらかの名前を変更してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>There is no folder {name}</source>
            <translation>{name} というフォルダーはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The slash at its end is for folders, and a model is a file.</source>
            <translation>末尾のスラッシュはフォルダーを表しますが、モデルはファイルです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Leave the slash out, or check the name.</source>
            <translation>スラッシュを取り除くか、名前を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} cannot be read</source>
            <translation>モデルファイル {name} を読み込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{why} ({path}).</source>
            <translation>{why} ({path})。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Check the path and its permissions.</source>
            <translation>パスとアクセス権を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose a model in the GGUF format.</source>
            <translation>GGUF 形式のモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{name} is not a model</source>
            <translation>{name} はモデルではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} is incomplete</source>
            <translation>モデルファイル {name} は不完全です</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Download or copy it again.</source>
            <translation>もう一度ダウンロードまたはコピーしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} is damaged</source>
            <translation>モデルファイル {name} は破損しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Its entry {key} is of the unknown type {number:,}.</source>
            <translation>項目 {key} の型 {number:,} は不明です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{present:,} of {whole:,} bytes are there, {missing:,} are missing.</source>
            <translation>{whole:,} バイトのうち {present:,} バイトしかなく、{missing:,} バイト足りません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{model} cannot have {projector} as its projector</source>
            <translation>{model} のプロジェクターとして {projector} は使えません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Set «Projector» of this model to its mmproj file, or to none.</source>
            <translation>このモデルの「プロジェクター」に、このモデルの mmproj ファイルか none を設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{name} is not a model by itself</source>
            <translation>{name} は単独ではモデルになりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is {kind}, which goes with a model.</source>
            <translation>これは{kind}で、モデルと組み合わせて使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose the model that it belongs to.</source>
            <translation>対応するモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>{size} MiB</source>
            <translation>{size} MiB</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>{size} GiB</source>
            <translation>{size} GiB</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>It needs {need} of the {room} of memory that can be used.</source>
            <translation>使用可能なメモリ {room} のうち {need} が必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>It needs {need} of the {room} of memory that can be used: close other programs.</source>
            <translation>使用可能なメモリ {room} のうち {need} が必要です。ほかのプログラムを終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>With a context of {context} it needs {need}, and {room} of memory can be used: try context {smaller}.</source>
            <translation>コンテキスト {context} では {need} 必要ですが、使用可能なメモリは {room} です。コンテキストを {smaller} にしてみてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>It needs {need}, and {room} of memory can be used: try a smaller quantization or model.</source>
            <translation>{need} が必要ですが、使用可能なメモリは {room} です。より小さい量子化またはモデルを試してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>Its weights alone take {weights}, and {room} of memory can be used: try a smaller quantization or model.</source>
            <translation>重みだけで {weights} になりますが、使用可能なメモリは {room} です。より小さい量子化またはモデルを試してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It ends after {count:,} bytes, within its header.</source>
            <translation>{count:,} バイトで、ヘッダーの途中で終わっています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>tensors</source>
            <translation>個のテンソル</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>entries</source>
            <translation>個の項目</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It does not say of which architecture the model is.</source>
            <translation>モデルのアーキテクチャが記述されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its header would be {count:,} bytes long.</source>
            <translation>ヘッダーの長さが {count:,} バイトになります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is a folder</source>
            <translation>{name} はフォルダーです</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>A model is a single file.</source>
            <translation>モデルは単一のファイルです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Name the model file inside that folder.</source>
            <translation>そのフォルダーの中のモデルファイルを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It is not an ordinary file.</source>
            <translation>通常のファイルではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its header announces {count:,} {what}.</source>
            <translation>ヘッダーに {count:,} {what}があると記述されています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>letters in one text</source>
            <translation>文字のテキスト</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its tensor {name} has {count:,} dimensions.</source>
            <translation>テンソル {name} の次元数が {count:,} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its weights are aligned to {number}.</source>
            <translation>重みのアライメントが {number} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is for other machines</source>
            <translation>{name} は別の種類のコンピューター用です</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its numbers are stored in big-endian order.</source>
            <translation>数値がビッグエンディアンで保存されています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Download the usual, little-endian file.</source>
            <translation>通常のリトルエンディアンのファイルをダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is too new for this app</source>
            <translation>{name} はこのアプリには新しすぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is too old for this app</source>
            <translation>{name} はこのアプリには古すぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It is written in version {version:,} of the GGUF format. This app reads versions 2 and 3.</source>
            <translation>GGUF 形式のバージョン {version:,} で書かれています。このアプリはバージョン 2 と 3 を読み込みます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Look for an update of this app, or for another file of the same model.</source>
            <translation>このアプリの更新、または同じモデルの別のファイルを探してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>Models could not be searched for</source>
            <translation>モデルを検索できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>{site} did not answer with a list of models.</source>
            <translation>{site} はモデルの一覧を返しませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>Try again later, or look at the setting hf_endpoint.</source>
            <translation>後でもう一度試すか、設定 hf_endpoint を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>No models can be looked up, because {host} cannot be reached: check the connection to the internet.</source>
            <translation>{host} に接続できないため、モデルを検索できません。インターネット接続を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>The server sends far more than a list takes.</source>
            <translation>サーバーが一覧としては多すぎるデータを送ってきます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>The list of the server did not arrive</source>
            <translation>サーバーの一覧が届きませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>Free some space, or link the model in place of copying it.</source>
            <translation>空き容量を増やすか、コピーせずにリンクしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>{name} could not be imported</source>
            <translation>{name} をインポートできませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>This disk takes no file so large (FAT32: 4 GB): choose a models folder on another, or link it.</source>
            <translation>このディスクには、この大きさのファイルを保存できません (FAT32 は 4 GB まで)。別のディスクのモデルフォルダーを選択するか、リンクしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>Check that you may write there; where links cannot be made, copy or move it.</source>
            <translation>そこに書き込めるか確認してください。リンクを作れない場所では、コピーまたは移動してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>Check that there is space, and that you may write there.</source>
            <translation>空き容量があること、書き込めることを確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/integrity.py" />
            <source>Its SHA-256 is {actual}, but was {expected}.</source>
            <translation>SHA-256 は {expected} でしたが、{actual} になっています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>It is another kind of file.</source>
            <translation>別の種類のファイルです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/naming.py" />
            <source>Several models are called {reference}</source>
            <translation>{reference} という名前のモデルが複数あります</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/naming.py" />
            <source>{models}.</source>
            <translation>{models}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/naming.py" />
            <source>Name one of them by its id.</source>
            <translation>ID で 1 つを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/outdated.py" />
            <source>Nobody has noted where {name} came from.</source>
            <translation>{name} の入手元は記録されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/outdated.py" />
            <source>Its source does not tell one version of the file from another.</source>
            <translation>入手元はファイルの版を区別していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Free some space, or give another place.</source>
            <translation>空き容量を増やすか、別の場所を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{name} could not be quantized</source>
            <translation>{name} を量子化できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{program} has turned it into a model of another kind.</source>
            <translation>{program} が別の種類のモデルに変換しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Use the program that belongs to the model's engine.</source>
            <translation>モデルのエンジンに対応するプログラムを使用してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Check that the program can be run, and that you may write there.</source>
            <translation>プログラムを実行できること、その場所に書き込めることを確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Cannot quantize {name}</source>
            <translation>{name} を量子化できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>It is not one whole model file.</source>
            <translation>単一の完全なモデルファイルではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Choose a model in a single file.</source>
            <translation>単一ファイルのモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Sparse models cannot be quantized to {type}.</source>
            <translation>スパースモデルは {type} に量子化できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Dense models cannot be quantized to {type}.</source>
            <translation>デンスモデルは {type} に量子化できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Choose one of: {names}</source>
            <translation>次の中から選択してください: {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>There is no folder {folder}.</source>
            <translation>{folder} というフォルダーはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Make it, or give another place.</source>
            <translation>作成するか、別の場所を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{name} cannot be written</source>
            <translation>{name} に書き込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Delete it if nobody needs it, and check that you may write there; or give another place.</source>
            <translation>不要であれば削除し、そこに書き込めるか確認してください。または別の場所を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>The program ended with {code}: {reason}</source>
            <translation>プログラムが {code} で終了しました: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>A model that is quantized already must be made from its F16 or F32 file.</source>
            <translation>量子化済みのモデルは、F16 または F32 のファイルから作成する必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>it said nothing.</source>
            <translation>出力はありませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/recommend.py" />
            <source>Made for the PowerInfer engine, which this computer has.</source>
            <translation>このコンピューターにある PowerInfer エンジン用のモデルです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/recommend.py" />
            <source>For embeddings of texts in your language.</source>
            <translation>あなたの言語のテキストの埋め込みに適しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/recommend.py" />
            <source>For conversations in your language, at a good speed on this computer.</source>
            <translation>あなたの言語での会話に適し、このコンピューターで十分な速さで動きます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>{name} has not been downloaded yet</source>
            <translation>{name} はまだダウンロードされていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>{name} is not in the models folder.</source>
            <translation>{name} はモデルフォルダーにありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>Download it: powerinfer-tray download {source}</source>
            <translation>ダウンロードしてください: powerinfer-tray download {source}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>It is an address, and not a model on this computer.</source>
            <translation>これはアドレスで、このコンピューター上のモデルではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>There is no model {reference}</source>
            <translation>{reference} というモデルはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>{alias} is another name of it, and it is not installed.</source>
            <translation>{alias} はその別名ですが、そのモデルはインストールされていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>Install it, or give the name to another model.</source>
            <translation>そのモデルをインストールするか、その名前を別のモデルに付けてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>Check the name, give the path of a file, or download a model.</source>
            <translation>名前を確認するか、ファイルのパスを指定するか、モデルをダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>If you mean the file in the current folder, write ./{name}</source>
            <translation>現在のフォルダーのファイルを指定する場合は、次のように書いてください: ./{name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>It is no id of the catalogue and no file in {folder}.</source>
            <translation>カタログの ID でも {folder} のファイルでもありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>{id} ({path})</source>
            <translation>{id} ({path})</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/remote_header.py" />
            <source>The model has too many files</source>
            <translation>モデルのファイル数が多すぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/remote_header.py" />
            <source>By its name, {name} is one of {count:,}. More than {most:,} are not fetched at once.</source>
            <translation>名前によれば {name} は {count:,} 個のうちの 1 つです。一度に取得できるのは {most:,} 個までです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/remote_header.py" />
            <source>Fetch them with another program, and put all of them into the models folder.</source>
            <translation>別のプログラムで取得し、すべてをモデルフォルダーに入れてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is a pipe between programs.</source>
            <translation>これはプログラム間のパイプです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is a socket of a program.</source>
            <translation>これはプログラムのソケットです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is a device.</source>
            <translation>これはデバイスです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It does not begin as a model does.</source>
            <translation>先頭がモデルのものではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>Only models are removed here. What there is says: powerinfer-tray models list</source>
            <translation>ここで削除できるのはモデルだけです。次のコマンドで一覧を表示できます: powerinfer-tray models list</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>{name} could not be removed</source>
            <translation>{name} を削除できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>Check its permissions; where there is no trash, delete it for good.</source>
            <translation>アクセス権を確認してください。ごみ箱がない場合は完全に削除してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>{name} has just been replaced</source>
            <translation>{name} は、たった今置き換えられました</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>Something else is in its place now than what was looked at, so it was left alone.</source>
            <translation>確認したものとは別のものに置き換わっているため、そのまま残しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>Look at the list of models, and try again.</source>
            <translation>モデルの一覧を確認して、もう一度お試しください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>{entry} must have 1 to {count} characters that can be seen.</source>
            <translation>{entry} は 1～{count} 文字の表示可能な文字でなければなりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>{entry} has a comma or semicolon, which separate names.</source>
            <translation>{entry} には名前の区切りであるコンマかセミコロンが含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>{entry} looks like a path, an address or an option.</source>
            <translation>{entry} はパス、アドレス、またはオプションのように見えます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>A model cannot be called {entry}</source>
            <translation>モデルの名前を {entry} にはできません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>For example: gpt-4o-mini</source>
            <translation>例: gpt-4o-mini</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>API key</source>
            <translation>API キー</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>For the local network: clients must send it as their OpenAI API key.</source>
            <translation>ローカルネットワーク用: クライアントは OpenAI の API キーとして送信する必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Remote key</source>
            <translation>リモートキー</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>For the engine remote: the API key that its server asks for, if it asks for one.</source>
            <translation>エンジンが remote の場合: そのサーバーが求める API キー (求められる場合のみ)。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Hugging Face token</source>
            <translation>Hugging Face トークン</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>For files whose publisher wants you to accept terms first. It is sent to huggingface.co alone.</source>
            <translation>公開者の利用条件への同意が必要なファイルに使います。huggingface.co にのみ送信されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>There is no key {name}</source>
            <translation>{name} というキーはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>The keys are: {names}.</source>
            <translation>使用できるキー: {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>This cannot be a key</source>
            <translation>これはキーとして使用できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>A key is made of letters, digits and signs, with no spaces.</source>
            <translation>キーには空白を含まない文字、数字、記号を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>This key can be guessed</source>
            <translation>このキーは推測される可能性があります</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Everybody in the local network may try keys: it needs {count} characters or more, without a pattern. Generate in the settings makes one.</source>
            <translation>ローカルネットワークの誰でもキーを試せます。規則性のない {count} 文字以上のキーが必要です。設定の「生成」で作成できます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>in the environment variable {name}</source>
            <translation>環境変数 {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>in the system's keychain</source>
            <translation>システムのキーチェーン</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>in the file {path}</source>
            <translation>ファイル {path}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>Type: powerinfer-tray key set {name} --file</source>
            <translation>次のように入力してください: powerinfer-tray key set {name} --file</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>{command}, or set the environment variable {variable}.</source>
            <translation>{command} (または、環境変数 {variable} を設定してください)</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>There is no key {place}</source>
            <translation>{place} の内容はキーではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>Set it again, or remove it.</source>
            <translation>設定し直すか、削除してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The setting {name} is one of a single model</source>
            <translation>設定 {name} はモデルごとの設定です</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>Each model has its own, and there is none for all.</source>
            <translation>値はモデルごとにあり、全モデル共通の値はありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>Name the model: powerinfer-tray settings set {name} VALUE --model ID</source>
            <translation>モデルを指定してください: powerinfer-tray settings set {name} VALUE --model ID</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The setting {name} holds for all models</source>
            <translation>設定 {name} は全モデル共通です</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>A model may have its own: {names}.</source>
            <translation>モデルごとに設定できるもの: {names}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>To set it for all: powerinfer-tray settings set {name} VALUE</source>
            <translation>全モデルに設定するには: powerinfer-tray settings set {name} VALUE</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The engine of a model cannot be remote</source>
            <translation>モデルのエンジンを remote にはできません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>A remote server has models of its own, so it is chosen for all.</source>
            <translation>リモートサーバーは独自のモデルを持つため、全モデル共通で選択します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>To use it: powerinfer-tray settings set engine remote</source>
            <translation>使用するには: powerinfer-tray settings set engine remote</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>{alias} cannot be another name of {model}</source>
            <translation>{alias} を {model} の別名にはできません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>It is the id of another model, {other}.</source>
            <translation>別のモデル {other} の ID です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>Choose a name that no other model has.</source>
            <translation>他のモデルが使っていない名前を選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The model {other} has the same name.</source>
            <translation>モデル {other} が同じ名前を持っています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>{name} cannot be {value}</source>
            <translation>{name} に {value} は指定できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>It must be a table with the settings of a model.</source>
            <translation>モデルの設定を含むテーブルでなければなりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>For example: [models."ID"]</source>
            <translation>例: [models."ID"]</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} has a character that cannot be seen.</source>
            <translation>{entry} に目に見えない文字が含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>An empty entry means no page.</source>
            <translation>空の項目はどのページも表しません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} has no scheme. Write it as browsers send it: https://{host}, or http://{host}.</source>
            <translation>{entry} にスキームがありません。ブラウザーが送信する形式で書いてください: https://{host} または http://{host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>A * cannot stand in the scheme {scheme}: name each, as https://*.</source>
            <translation>スキーム {scheme} に * は使用できません。https://* のように、スキームを 1 つずつ指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{scheme} is not a scheme, as https is one.</source>
            <translation>{scheme} は https のようなスキームではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>No web page has the scheme {scheme}: write https or http.</source>
            <translation>スキームが {scheme} の Web ページはありません。https または http と書いてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Browsers send no path: write {origin} in place of {entry}.</source>
            <translation>ブラウザーはパスを送信しません。{entry} の代わりに {origin} と書いてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} names no host: write it, or * for each.</source>
            <translation>{entry} にホストがありません。ホストを書くか、すべてのホストを表す * を書いてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>In {entry}, a * can only be the whole host, stand before its first point or be the port: https://*.example.org, http://localhost:*.</source>
            <translation>{entry} で * を使用できるのは、ホスト全体、ホストの最初のドットの前、またはポートとしてだけです: https://*.example.org、http://localhost:*</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Browsers send no user name: leave out what is before the @.</source>
            <translation>ブラウザーはユーザー名を送信しません。@ より前を取り除いてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Write {name} in ASCII, as browsers send it: it begins with xn--.</source>
            <translation>{name} を、ブラウザーが送信する ASCII の形式で書いてください。xn-- で始まります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{port} is not a port: write a number up to 65535, or *.</source>
            <translation>{port} はポートではありません。65535 までの数値、または * を書いてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{name} is not the name of a host.</source>
            <translation>{name} はホスト名ではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} can match no web page</source>
            <translation>{entry} に一致する Web ページはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Port</source>
            <translation>ポート</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Programs reach the server at http://127.0.0.1:PORT/v1.</source>
            <translation>プログラムは http://127.0.0.1:PORT/v1 でサーバーに接続します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Model</source>
            <translation>モデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>An id of the catalogue, a file in the models folder, or the path of a file.</source>
            <translation>カタログの ID、モデルフォルダー内のファイル、またはファイルのパスです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Other names</source>
            <translation>別名</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Names that also mean this model, for commands and for programs, as gpt-4o-mini.</source>
            <translation>コマンドやプログラムでこのモデルを指す別の名前。例: gpt-4o-mini。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Context size</source>
            <translation>コンテキストサイズ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How much text the model sees at once. More needs more memory. Automatic: up to 8192, as model and memory allow.</source>
            <translation>モデルが一度に参照するテキストの量です。大きいほどメモリを使用します。自動: モデルとメモリに応じて 8192 まで。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>tokens</source>
            <translation>トークン</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Batch size</source>
            <translation>バッチサイズ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How many tokens of a prompt are computed in one step.</source>
            <translation>プロンプトのトークンを一度に計算する数です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Threads</source>
            <translation>スレッド数</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Processor threads while generating. Automatic: one for each physical core.</source>
            <translation>生成中に使用するプロセッサのスレッド数です。自動: 物理コアと同じ数。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Threads for batches</source>
            <translation>バッチのスレッド数</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Processor threads while reading a prompt. Automatic: as Threads.</source>
            <translation>プロンプトの読み込み中に使用するプロセッサのスレッド数です。自動: 「スレッド数」と同じ。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Temperature</source>
            <translation>温度</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How freely the model chooses its words; for requests that name none.</source>
            <translation>モデルが言葉を選ぶ自由度です。指定のないリクエストに適用されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>VRAM budget</source>
            <translation>VRAM の上限</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The most memory of each graphics card that engines may use.</source>
            <translation>各グラフィックカードのメモリーのうち、エンジンが使える上限。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>GiB</source>
            <translation>GiB</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Engine</source>
            <translation>エンジン</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>auto, powerinfer, llama.cpp, llama-server, remote, an installed engine as llama.cpp-cuda, or the path of a server program of your own.</source>
            <translation>auto、powerinfer、llama.cpp、llama-server、remote、インストール済みのエンジン (llama.cpp-cuda など)、または自分のサーバープログラムのパス。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Remote address</source>
            <translation>リモートアドレス</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For the engine remote: the base URL of an OpenAI-compatible server, as http://box:8000/v1.</source>
            <translation>エンジンが remote の場合: OpenAI 互換サーバーのベース URL (例: http://box:8000/v1)。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Remote model</source>
            <translation>リモートモデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Which of the remote server's models answers requests that name none of them. Empty: its first.</source>
            <translation>モデル名の指定がないリクエストに応答する、リモートサーバーのモデルです。空: 最初のモデル。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Extra arguments</source>
            <translation>追加の引数</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Added to the engine's command line as they are.</source>
            <translation>エンジンのコマンドラインにそのまま追加されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Pooling</source>
            <translation>プーリング</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How a vector is made of a text. Automatic: as the model's file says.</source>
            <translation>テキストからベクトルを作る方法。自動: モデルのファイルの指定どおり。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Projector</source>
            <translation>プロジェクター</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The file (mmproj) with which this model sees pictures: a path, or a name in the models folder. Empty: the one beside the model. none: no pictures.</source>
            <translation>このモデルが画像を見るためのファイル(mmproj)。パス、またはモデルフォルダー内の名前。空: モデルの隣にあるもの。none: 画像なし。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Shorter vectors</source>
            <translation>短いベクトル</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Whether programs may ask for vectors with fewer dimensions, which only some models were trained for. Automatic: as known of the model.</source>
            <translation>次元数の少ないベクトルをプログラムが要求できるかどうか。そのように学習されたモデルは一部だけです。自動：モデルについてわかっていることに従います。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Prefix of queries</source>
            <translation>検索文の接頭辞</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Put before a text that a program embeds as a query. What the model was trained with.</source>
            <translation>プログラムが検索文としてベクトル化するテキストの前に置かれます。モデルの学習で使われたものです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Prefix of documents</source>
            <translation>文書の接頭辞</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Put before a text that a program embeds as a document. What the model was trained with.</source>
            <translation>プログラムが文書としてベクトル化するテキストの前に置かれます。モデルの学習で使われたものです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Workers</source>
            <translation>ワーカー数</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How many processes of one thread each compute a sparse model. They share its weights. Automatic: one for every two physical cores, as memory allows.</source>
            <translation>スパースモデルを計算する、1 スレッドずつのプロセスの数です。重みは共有されます。自動: メモリの許す範囲で、物理コア 2 つにつき 1 つ。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start on demand</source>
            <translation>オンデマンドで起動</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A request starts a server that sleeps, and waits for it.</source>
            <translation>リクエストを受けると休止中のサーバーを起動し、準備ができるまで待ちます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Stop when idle</source>
            <translation>アイドル時に停止</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>After so long without a request the engine stops and frees its memory. 0: never.</source>
            <translation>この時間だけリクエストがないと、エンジンを停止してメモリを解放します。0: 停止しません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>minutes</source>
            <translation>分</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Keep loaded</source>
            <translation>常に読み込んでおく</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>No other model takes this one's place in memory when a request needs room.</source>
            <translation>リクエストのために空きが必要なときも、このモデルはメモリから外されません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Who may connect</source>
            <translation>接続の許可</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Programs of this computer, or of the local network too, which then need an API key.</source>
            <translation>このコンピューターのプログラムのみ、またはローカルネットワークのプログラムも許可します。後者には API キーが必要になります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Allowed web origins</source>
            <translation>許可する Web オリジン</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Web pages that may use the server, as https://example.org, http://localhost:* or app://*. With * every page that you visit may use it.</source>
            <translation>サーバーを使用できる Web ページです (例: https://example.org、http://localhost:*、app://*)。* を指定すると、表示したすべてのページが使用できます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Refused web origins</source>
            <translation>拒否したウェブのオリジン</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Apps and pages of this computer that were refused: nobody is asked about them again.</source>
            <translation>拒否した、このコンピューターのアプリとページ。もう尋ねられません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Native routes</source>
            <translation>ネイティブルート</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Also offer the engine's own routes, such as /completion and /tokenize.</source>
            <translation>/completion や /tokenize など、エンジン独自のルートも提供します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Metrics</source>
            <translation>メトリクス</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Offer counters for Prometheus at /metrics.</source>
            <translation>Prometheus 用のカウンターを /metrics で提供します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Memory budget</source>
            <translation>メモリの上限</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The most memory that all loaded models may take together. Automatic: what is free, less a reserve for other programs.</source>
            <translation>読み込んだ全モデルが合計で使えるメモリの上限です。自動: 空きメモリから、他のプログラム用の余裕を除いた分。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Default for embeddings</source>
            <translation>埋め込みの既定モデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Which model answers requests for embeddings and rankings that name no installed model. Empty: the setting Model.</source>
            <translation>インストール済みのモデルを指定しない埋め込みと順位付けのリクエストに答えるモデルです。空欄: 設定「モデル」のもの。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Default for chats</source>
            <translation>チャットの既定モデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Which model answers other requests that name no installed model. Empty: the setting Model.</source>
            <translation>インストール済みのモデルを指定しないその他のリクエストに答えるモデルです。空欄: 設定「モデル」のもの。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Installed names only</source>
            <translation>インストール済みの名前のみ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A request for a model that is not installed gets an error, and no answer of another model.</source>
            <translation>インストールされていないモデルへのリクエストには、別のモデルの回答ではなくエラーを返します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Models folder</source>
            <translation>モデルフォルダー</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where downloads go and models are found. Empty: the usual place.</source>
            <translation>ダウンロードの保存先で、モデルを探す場所です。空: 既定の場所。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Connections</source>
            <translation>接続数</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The most connections of one download. Automatic: few, and more while that makes it faster.</source>
            <translation>1 つのダウンロードに使用する接続の最大数です。自動: 少数から始め、速くなる間は増やします。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Speed limit</source>
            <translation>速度制限</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The most that downloads take of the line. 0: no limit.</source>
            <translation>ダウンロードが使用する回線速度の上限です。0: 制限なし。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>MB/s</source>
            <translation>MB/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Hugging Face address</source>
            <translation>Hugging Face のアドレス</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where hf: sources lead: Hugging Face itself, or the https address of a mirror.</source>
            <translation>hf: の接続先です。Hugging Face 本体、またはミラーの https アドレスを指定します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Address of engines</source>
            <translation>エンジンのアドレス</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where engines are downloaded from. Empty: from their makers. Else the address of a mirror, which has them as RELEASE/FILE; what comes must be the same to the last byte.</source>
            <translation>エンジンのダウンロード元です。空の場合は開発元から取得します。ミラーを使う場合は、RELEASE/FILE の形で置かれたアドレスを指定します。届くファイルは 1 バイトも違わないことが確認されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Look for newer models</source>
            <translation>新しいモデルを確認する</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Ask once a week where your models came from whether their files have changed. Nothing is downloaded.</source>
            <translation>週に一度、モデルの入手元にファイルの変更がないか問い合わせます。ダウンロードは行いません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Launch at login</source>
            <translation>ログイン時に起動</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start this app, hidden in the tray, when you log in.</source>
            <translation>ログイン時に、このアプリをトレイに隠して起動します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start the server with the app</source>
            <translation>アプリと同時にサーバーを起動</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start the server as soon as the app runs.</source>
            <translation>アプリの起動と同時にサーバーを起動します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Language</source>
            <translation>言語</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Of windows, menu and notices. The terminal speaks English.</source>
            <translation>ウィンドウ、メニュー、通知の言語です。端末では英語が使用されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Notices</source>
            <translation>通知</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Tell when a download or the installation of an engine has ended, when the server has crashed, when an installed engine is not used, and when an app or a page of this computer was refused.</source>
            <translation>ダウンロードやエンジンのインストールが終わったとき、サーバーがクラッシュしたとき、インストール済みのエンジンが使われないとき、このコンピューターのアプリやページを拒否したときに通知します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The setting {name} has entries that it cannot have</source>
            <translation>設定 {name} に指定できない項目が含まれています</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be the full path of a folder, or empty for the usual one.</source>
            <translation>フォルダーのフルパスを指定してください。空にすると既定の場所になります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be one of: {choices}.</source>
            <translation>次のいずれかを指定してください: {choices}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a whole number from {minimum} to {maximum}.</source>
            <translation>{minimum} から {maximum} までの整数を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a whole number from {minimum} to {maximum}, or "auto".</source>
            <translation>{minimum} から {maximum} までの整数、または "auto" を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a number from {minimum} to {maximum}.</source>
            <translation>{minimum} から {maximum} までの数値を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a number from {minimum} to {maximum}, or "auto".</source>
            <translation>{minimum} から {maximum} までの数値、または "auto" を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be true or false.</source>
            <translation>true または false を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a text without control characters.</source>
            <translation>制御文字を含まないテキストを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a list of texts without control characters.</source>
            <translation>制御文字を含まないテキストのリストを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The setting {name} cannot have a login or a key in its address</source>
            <translation>設定 {name} のアドレスにログイン情報やキーを含めることはできません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Addresses are shown and logged; keys belong in the keychain: powerinfer-tray key set {key}</source>
            <translation>アドレスは表示され、ログにも記録されます。キーはキーチェーンに保存してください: powerinfer-tray key set {key}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Leave out what stands before an @ and after a ?, and these signs.</source>
            <translation>@ より前と ? より後、およびこれらの記号を取り除いてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The setting {name} cannot be {value}</source>
            <translation>設定 {name} に {value} は指定できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For example: {name} = {example}</source>
            <translation>例: {name} = {example}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>There is no setting {name}</source>
            <translation>{name} という設定はありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Did you mean {name}?</source>
            <translation>{name} のことですか？</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The settings are: {names}.</source>
            <translation>設定の一覧: {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>All settings with their values: powerinfer-tray settings show</source>
            <translation>すべての設定と値: powerinfer-tray settings show</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings are being changed by another program</source>
            <translation>別のプログラムが設定を変更しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>{path} has been locked for {seconds:.0f} seconds.</source>
            <translation>{path} が {seconds:.0f} 秒間ロックされています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Try again. If it stays so, end the other PowerInfer Tray, which may hang.</source>
            <translation>もう一度お試しください。解決しない場合は、応答していない可能性のある、もう一方の PowerInfer Tray を終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings could not be saved</source>
            <translation>設定を保存できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Check that the disk is not full and that you may write to this folder.</source>
            <translation>ディスクがいっぱいでないこと、このフォルダーに書き込めることを確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>line {number}, model {model}: {title}. {reason}</source>
            <translation>{number} 行目、モデル {model}: {title}。{reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>line {number}: {title}. {reason}</source>
            <translation>{number} 行目: {title}。{reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings file is of a newer version of this app</source>
            <translation>設定ファイルは、このアプリの新しいバージョンのものです</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>{path} has version {version}; this app knows {known}.</source>
            <translation>{path} のバージョンは {version} ですが、このアプリが対応しているのは {known} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Install the newer version, or move the file away to begin with new settings. It has been left as it is.</source>
            <translation>新しいバージョンをインストールするか、ファイルを別の場所に移して新しい設定で始めてください。ファイルはそのまま残してあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings file has an error; defaults are used for what cannot be read</source>
            <translation>設定ファイルにエラーがあります。読み込めない項目には既定値を使用します</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>{path}: {cause}</source>
            <translation>{path}: {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Correct the file, or choose these settings again. The file has been left as it is.</source>
            <translation>ファイルを修正するか、設定し直してください。ファイルはそのまま残してあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/autostart.py" />
            <source>Launch at login could not be changed</source>
            <translation>ログイン時の起動を変更できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/autostart.py" />
            <source>Check that you may write to the place that is named, or use the system's own settings.</source>
            <translation>表示された場所に書き込めることを確認するか、システムの設定を使用してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/disk.py" />
            <source>Not enough space on the disk</source>
            <translation>ディスクの空き容量が足りません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/disk.py" />
            <source>{needed:.2f} GB are needed. {free:.2f} GB are free in {folder}, of which {reserve:.2f} GB are left to other programs.</source>
            <translation>{needed:.2f} GB 必要です。{folder} の空きは {free:.2f} GB で、そのうち {reserve:.2f} GB は他のプログラムのために残します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>There is no {place} now.</source>
            <translation>現在 {place} はありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>When it is there again, the server starts by itself. Or choose another model or models folder.</source>
            <translation>元に戻ると、サーバーは自動的に起動します。または別のモデルかモデルフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>The drive «{name}» is not connected</source>
            <translation>ドライブ「{name}」が接続されていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>The folder «{name}» is gone</source>
            <translation>フォルダー「{name}」がなくなりました</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/files.py" />
            <source>The folder cannot be written to</source>
            <translation>フォルダーに書き込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/files.py" />
            <source>Check the rights of this folder, or name another with POWERINFER_TRAY_HOME.</source>
            <translation>このフォルダーの権限を確認するか、POWERINFER_TRAY_HOME で別のフォルダーを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>This system has no keychain</source>
            <translation>このシステムにはキーチェーンがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>Keys are kept in it (on Linux in GNOME Keyring or KWallet), and none was found.</source>
            <translation>キーはキーチェーン (Linux では GNOME Keyring または KWallet) に保存されますが、見つかりませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>The keychain refused</source>
            <translation>キーチェーンが拒否しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>Unlock the system's keychain and try again.</source>
            <translation>システムのキーチェーンのロックを解除して、もう一度お試しください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key file {path} cannot be read</source>
            <translation>キーファイル {path} を読み込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>{reason}</source>
            <translation>{reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Remove it, or give yourself the right to read it.</source>
            <translation>削除するか、読み取り権限を設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key file {path} is not a file</source>
            <translation>キーファイル {path} はファイルではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Something else has its name.</source>
            <translation>同じ名前の別のものがあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key file {path} is open to others</source>
            <translation>キーファイル {path} にほかのユーザーがアクセスできます</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Others on this computer could read the key, so it is not used.</source>
            <translation>このコンピューターのほかのユーザーがキーを読み取れるため、使用しません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Type: chmod 600 "{path}". Who has read it keeps it: choose a new one.</source>
            <translation>次のように入力してください: chmod 600 "{path}"。キーがすでに読み取られている可能性があるため、新しいキーに替えてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key could not be kept in a file, or removed from it</source>
            <translation>キーをファイルに保存、またはファイルから削除できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>another program</source>
            <translation>別のプログラム</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>another PowerInfer Tray</source>
            <translation>別の PowerInfer Tray</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name}</source>
            <translation>{name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name} (service {service})</source>
            <translation>{name} (サービス {service})</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name} (PID {pid})</source>
            <translation>{name} (PID {pid})</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name} (PID {pid}, service {service})</source>
            <translation>{name} (PID {pid}、サービス {service})</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Port {port} is used by {programs}</source>
            <translation>ポート {port} は {programs} が使用しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Only one program at a time can listen on a port.</source>
            <translation>1 つのポートで待ち受けできるプログラムは、一度に 1 つだけです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Stop the service {services}</source>
            <translation>サービス {services} を停止する</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>End that program</source>
            <translation>そのプログラムを終了する</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Choose another port.</source>
            <translation>別のポートを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Choose another port: {port} is free.</source>
            <translation>別のポートを選択してください。{port} が空いています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{remedy}, or choose another port.</source>
            <translation>{remedy}か、別のポートを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{remedy}, or choose another port: {port} is free.</source>
            <translation>{remedy}か、別のポートを選択してください。{port} が空いています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>The system does not give out port {port}</source>
            <translation>システムがポート {port} の使用を許可しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Windows keeps the ports {first} to {last} for itself.</source>
            <translation>ポート {first} から {last} は Windows が予約しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Ports below {port} are for programs of the system.</source>
            <translation>{port} より小さいポートはシステムのプログラム用です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/application.py" />
            <source>This desktop shows no tray icons</source>
            <translation>このデスクトップにはトレイアイコンが表示されません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/application.py" />
            <source>The app runs in this window instead; closing it quits the app and stops the server.</source>
            <translation>アプリは代わりにこのウィンドウで動作します。閉じるとアプリが終了し、サーバーが停止します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/bridge.py" />
            <source>Something went wrong inside the app</source>
            <translation>アプリの内部で問題が発生しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/bridge.py" />
            <source>The log has the details.</source>
            <translation>詳細はログにあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>About PowerInfer Tray</source>
            <translation>PowerInfer Tray について</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>PowerInfer Tray {version}</source>
            <translation>PowerInfer Tray {version}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Downloads a language model, runs it on this computer, and offers it to OpenAI clients.</source>
            <translation>言語モデルをダウンロードしてこのコンピューターで実行し、OpenAI クライアントから使えるようにします。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Nothing leaves the machine but the downloads you ask for.</source>
            <translation>指定したダウンロード以外に、外部との通信は行いません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Licence: MIT</source>
            <translation>ライセンス: MIT</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Qt is used under the GNU LGPL, version 3: you may replace it by a build of your own.</source>
            <translation>Qt は GNU LGPL バージョン 3 に基づいて使用しています。ご自身でビルドしたものに置き換えることができます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>The licences of all parts: {file}</source>
            <translation>すべての構成要素のライセンス: {file}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Delete what has arrived of {name}?</source>
            <translation>{name} の受信済みデータを削除しますか？</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>The download would begin anew.</source>
            <translation>ダウンロードは最初からやり直しになります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Delete</source>
            <translation>削除(&amp;D)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Move {name} to the trash?</source>
            <translation>{name} をごみ箱に移動しますか？</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>{size}, with all that belongs to it.</source>
            <translation>{size} (付属するファイルを含む)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Move to &amp;Trash</source>
            <translation>ごみ箱に移動(&amp;T)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>The server is using it, and will be stopped first.</source>
            <translation>サーバーが使用中のため、先に停止します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Keep</source>
            <translation>残す(&amp;K)</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Remove {count} models?</source>
            <translation>
                <numerusform>{count} 個のモデルを削除しますか？</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Files go to the trash.</source>
            <translation>ファイルはゴミ箱に移されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Remove</source>
            <translation>削除(&amp;R)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Cancel the download of {name}?</source>
            <translation>{name} のダウンロードをキャンセルしますか？</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>What has arrived can stay, so that it goes on from there later; or be deleted.</source>
            <translation>受信した分は、後で続きから再開できるように残すか、削除するかを選択できます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Cancel and &amp;Keep</source>
            <translation>キャンセルして残す(&amp;K)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Cancel and &amp;Delete</source>
            <translation>キャンセルして削除(&amp;D)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Go On</source>
            <translation>続行(&amp;G)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Remove {name}?</source>
            <translation>{name} を削除しますか?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Add {name} as an engine?</source>
            <translation>{name} をエンジンとして追加しますか?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>It is a program, which can do on this computer what you can do. Add it only if you know where it comes from. It is copied, and proven before it is used.</source>
            <translation>これはプログラムで、このコンピューターであなたと同じことができます。入手元が確かな場合にだけ追加してください。コピーしてから、使う前に検証します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Add</source>
            <translation>追加(&amp;A)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Cancel</source>
            <translation>キャンセル(&amp;C)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>PowerInfer Tray</source>
            <translation>PowerInfer Tray</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>Download a model</source>
            <translation>モデルのダウンロード</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>Reading what it is …</source>
            <translation>モデルの情報を読み込んでいます…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>&amp;Download</source>
            <translation>ダウンロード(&amp;D)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>What it is could not be read. It can be downloaded all the same.</source>
            <translation>モデルの情報を読み込めませんでした。ダウンロードは可能です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>Import models</source>
            <translation>モデルのインポート</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Copy: the file stays where it is, too</source>
            <translation>コピー: 元のファイルも残します(&amp;C)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Move: it is then in the models folder alone</source>
            <translation>移動: モデルフォルダーだけに置きます(&amp;M)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Link: use it from where it is; takes no space</source>
            <translation>リンク: 元の場所のまま使用します (容量は増えません)(&amp;L)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Import</source>
            <translation>インポート(&amp;I)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>into {folder}</source>
            <translation>保存先: {folder}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>The other files of a split model, and what belongs to it, come along.</source>
            <translation>分割されたモデルのほかのファイルと付属ファイルも一緒にインポートされます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>Quantize a model</source>
            <translation>モデルの量子化</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>Asking which types there are …</source>
            <translation>使用できる型を確認しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>&amp;Quantize</source>
            <translation>量子化(&amp;Q)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>&amp;Type:</source>
            <translation>型(&amp;T):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>&amp;New file:</source>
            <translation>新しいファイル(&amp;N):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>On the disk:</source>
            <translation>ディスク:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/settings.py" />
            <source>Settings</source>
            <translation>設定</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/settings.py" />
            <source>Command &amp;line:</source>
            <translation>コマンドライン(&amp;L):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/settings.py" />
            <source>Command line</source>
            <translation>コマンドライン</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/terms.py" />
            <source>Terms of {owner}</source>
            <translation>{owner} の利用条件</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/terms.py" />
            <source>&amp;Accept and Install</source>
            <translation>同意してインストール(&amp;A)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/terms.py" />
            <source>&amp;Read the Terms</source>
            <translation>利用条件を読む(&amp;R)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/terms.py" />
            <source>A part of this engine belongs to {owner}, which permits its use on its own terms. Install it only if you have read and accepted them.</source>
            <translation>このエンジンの一部は {owner} のもので、その利用条件のもとで使えます。条件を読んで同意した場合にだけインストールしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Best engine and number of threads</source>
            <translation>最適なエンジンとスレッド数</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>The server is started again on each engine and with several numbers of threads, and asked for embeddings and text each time. Meanwhile other programs have to wait. Close what else keeps the processor busy.</source>
            <translation>エンジンとスレッド数を変えてサーバーを再起動し、それぞれで埋め込みとテキストの生成を測定します。その間、ほかのプログラムのリクエストは待たされます。プロセッサに負荷をかけるほかのプログラムは終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Engines and numbers of threads measured</source>
            <translation>測定したエンジンとスレッド数</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>&amp;Measure</source>
            <translation>測定(&amp;M)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>&amp;Use These</source>
            <translation>この値を使用(&amp;U)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>&amp;Close</source>
            <translation>閉じる(&amp;C)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Stopping …</source>
            <translation>停止しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>&amp;Stop</source>
            <translation>停止(&amp;S)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Embeddings/s</source>
            <translation>埋め込み/秒</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Tokens/s</source>
            <translation>トークン/秒</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Speed by number of threads</source>
            <translation>スレッド数ごとの速度</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;More</source>
            <translation>その他(&amp;M)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;Use</source>
            <translation>使用(&amp;U)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;Load</source>
            <translation>読み込む(&amp;L)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>U&amp;nload</source>
            <translation>解放(&amp;N)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;Download…</source>
            <translation>ダウンロード(&amp;D)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;Pause</source>
            <translation>一時停止(&amp;P)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;Resume</source>
            <translation>再開(&amp;R)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>Verif&amp;y</source>
            <translation>検証(&amp;Y)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;Quantize…</source>
            <translation>量子化(&amp;Q)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>Show in &amp;Folder</source>
            <translation>フォルダーを表示(&amp;F)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>Remo&amp;ve…</source>
            <translation>削除(&amp;V)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Importing</source>
            <translation>インポート中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Verifying</source>
            <translation>検証中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Every byte is as it was downloaded.</source>
            <translation>すべてのバイトがダウンロード時と一致しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Header and size are right. What each byte should be is not known for this file.</source>
            <translation>ヘッダーとサイズは正常です。このファイルについては、各バイトの正しい値がわかりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>{name} is in order</source>
            <translation>{name} に問題はありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Close</source>
            <translation>閉じる</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Quantizing</source>
            <translation>量子化中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Delete &amp;Forever</source>
            <translation>完全に削除(&amp;F)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>&amp;Complete</source>
            <translation>生成(&amp;C)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Ctrl+Enter</source>
            <translation>Ctrl+Enter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>St&amp;op</source>
            <translation>停止(&amp;O)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Esc</source>
            <translation>Esc</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>&amp;Text:</source>
            <translation>テキスト(&amp;T):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>To&amp;kens at most:</source>
            <translation>最大トークン数(&amp;K):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Ans&amp;wer:</source>
            <translation>応答(&amp;W):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Temperature {value}</source>
            <translation>温度 {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Search Hugging Face, or paste an address</source>
            <translation>Hugging Face を検索、またはアドレスを貼り付け</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Clear</source>
            <translation>消去</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>&amp;Search</source>
            <translation>検索(&amp;S)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>&amp;Back</source>
            <translation>戻る(&amp;B)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Models</source>
            <translation>モデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Show &amp;More</source>
            <translation>さらに表示(&amp;M)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Models that do not run here</source>
            <translation>ここでは動かないモデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Results for “{words}”</source>
            <translation>「{words}」の検索結果</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Nothing was found. Try fewer words.</source>
            <translation>見つかりませんでした。語を減らしてみてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Tried and described</source>
            <translation>検証済みのモデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Models of the catalogue. Hugging Face has many more: search for a name.</source>
            <translation>カタログのモデルです。Hugging Face にはさらに多くあります。名前で検索してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Looking it up …</source>
            <translation>調べています …</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Hide models that do not run here</source>
            <translation>ここでは動かないモデルを隠す</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Show models that do not run here</source>
            <translation>ここでは動かないモデルを表示</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Try Again</source>
            <translation>再試行</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>Texts, one on each line</source>
            <translation>テキスト (1 行に 1 件)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>&amp;Embed</source>
            <translation>埋め込み(&amp;E)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>Ca&amp;ncel</source>
            <translation>キャンセル(&amp;N)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>&amp;Start Server</source>
            <translation>サーバーを起動(&amp;S)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>&amp;Texts, one on each line; or drop a file here:</source>
            <translation>テキスト (1 行に 1 件、ファイルのドロップも可)(&amp;T):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>Embedding …</source>
            <translation>埋め込みを作成しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>On this computer</source>
            <translation>このコンピューター</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>&amp;Add an Engine</source>
            <translation>エンジンを追加(&amp;A)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Other engines</source>
            <translation>ほかのエンジン</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>From a &amp;File…</source>
            <translation>ファイルから(&amp;F)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>From a F&amp;older…</source>
            <translation>フォルダーから(&amp;O)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Looking at the engines …</source>
            <translation>エンジンを調べています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Hide other engines</source>
            <translation>ほかのエンジンを隠す</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Show other engines</source>
            <translation>ほかのエンジンを表示</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Add an engine</source>
            <translation>エンジンを追加</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>Use &amp;All in Place</source>
            <translation>すべてその場で使用(&amp;A)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>&amp;Discover Models</source>
            <translation>モデルを探す(&amp;D)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>Models of other apps</source>
            <translation>他のアプリのモデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>These models belong to other apps. They are used from where they are: nothing is copied or changed, and when the other app removes one, it is gone from here, too.</source>
            <translation>これらは他のアプリのモデルです。今ある場所のまま使います。コピーも変更もせず、元のアプリが削除すればここからも消えます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>Looking through the folders of other apps …</source>
            <translation>他のアプリのフォルダーを調べています …</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>LM Studio, Ollama, Jan, GPT4All, llama.cpp and the cache of Hugging Face have no model on this computer that is not in the list already.</source>
            <translation>LM Studio、Ollama、Jan、GPT4All、llama.cpp、Hugging Face のキャッシュには、一覧にまだないモデルはこのコンピューターにありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>In the list now: {names}</source>
            <translation>一覧に加えました: {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>Loo&amp;k for Newer Files</source>
            <translation>新しいファイルを確認(&amp;K)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>&amp;Import…</source>
            <translation>インポート(&amp;I)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>The models folder is not there</source>
            <translation>モデルフォルダーがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>{folder} cannot be found. Connect its drive, or choose another folder in the settings.</source>
            <translation>{folder} が見つかりません。ドライブを接続するか、設定で別のフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>Select a model to see what can be done with it.</source>
            <translation>モデルを選択すると、実行できる操作が表示されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>Models (*.gguf)</source>
            <translation>モデル (*.gguf)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>All files (*)</source>
            <translation>すべてのファイル (*)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Only lines with …</source>
            <translation>含む文字列で絞り込み…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Only lines with</source>
            <translation>含む文字列で絞り込み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>&amp;Follow</source>
            <translation>追従(&amp;F)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Stay at the newest line.</source>
            <translation>常に最新の行を表示します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>&amp;Copy</source>
            <translation>コピー(&amp;C)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Copies the selected lines, or all that are shown.</source>
            <translation>選択した行、または表示中のすべての行をコピーします。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Open Fo&amp;lder</source>
            <translation>フォルダーを開く(&amp;L)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Copy &amp;Diagnostics</source>
            <translation>診断情報をコピー(&amp;D)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Versions, machine, command line and last lines, without secrets and your home folder.</source>
            <translation>バージョン、コンピューター、コマンドライン、最後のログです。秘密情報とホームフォルダーは含みません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Lines of the logs</source>
            <translation>ログの行</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Warning</source>
            <translation>警告</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>From</source>
            <translation>発信元</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>App and engine</source>
            <translation>アプリとエンジン</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Level</source>
            <translation>レベル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Every level</source>
            <translation>すべてのレベル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Warnings and errors</source>
            <translation>警告とエラー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Errors</source>
            <translation>エラーのみ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>The diagnostics are on the clipboard</source>
            <translation>診断情報をクリップボードにコピーしました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Paste them into your report. Secrets and your home folder have been removed.</source>
            <translation>報告に貼り付けてください。秘密情報とホームフォルダーは取り除いてあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>&amp;Best Number of Threads…</source>
            <translation>最適なスレッド数(&amp;B)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>Answered requests</source>
            <translation>応答済みのリクエスト</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>Save &amp;Picture…</source>
            <translation>画像を保存(&amp;P)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>&amp;Requests:</source>
            <translation>リクエスト数(&amp;R):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>At the same t&amp;ime:</source>
            <translation>同時実行数(&amp;I):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Installed</source>
            <translation>インストール済み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Discover</source>
            <translation>探す</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Found on this computer</source>
            <translation>このコンピューター内</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Disk space</source>
            <translation>ディスク使用量</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Looking at what models take …</source>
            <translation>モデルの使用量を調べています …</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>What models take</source>
            <translation>モデルの使用量</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Takes</source>
            <translation>使用量</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Last used</source>
            <translation>最後に使用</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Belongs to</source>
            <translation>所有アプリ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Choose Those &amp;Unused for Months</source>
            <translation>何か月も使っていないものを選択(&amp;U)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>&amp;Remove…</source>
            <translation>削除(&amp;R)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>No model takes space yet.</source>
            <translation>まだ容量を使っているモデルはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>S&amp;top Server</source>
            <translation>サーバーを停止(&amp;T)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>Copy the address</source>
            <translation>アドレスをコピー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>Model:</source>
            <translation>モデル:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>Engine:</source>
            <translation>エンジン:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>&amp;Address:</source>
            <translation>アドレス(&amp;A):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>The model is in order</source>
            <translation>モデルに問題はありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>Verifying the model …</source>
            <translation>モデルを検証しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>{percent} %</source>
            <translation>{percent}%</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>none chosen</source>
            <translation>未選択</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>not running</source>
            <translation>停止中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>process {pid}</source>
            <translation>プロセス {pid}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/trial.py" />
            <source>Test embedding</source>
            <translation>埋め込みのテスト</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/trial.py" />
            <source>Measure</source>
            <translation>測定</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/trial.py" />
            <source>Test completion</source>
            <translation>テキスト生成のテスト</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Install</source>
            <translation>インストール</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Update</source>
            <translation>更新</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Not Now</source>
            <translation>後で</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Pause</source>
            <translation>一時停止</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Resume</source>
            <translation>再開</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Cancel</source>
            <translation>キャンセル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Prove Again</source>
            <translation>もう一度検証</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Show in Folder</source>
            <translation>フォルダーに表示</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Remove…</source>
            <translation>削除…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{action}: {engine}</source>
            <translation>{action}: {engine}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>A newer engine is on offer</source>
            <translation>新しいエンジンがあります</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Let the graphics card compute</source>
            <translation>グラフィックスカードで計算する</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>A faster engine for this processor</source>
            <translation>このプロセッサーに合う、より速いエンジン</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Installing {engine}</source>
            <translation>{engine} をインストールしています</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Proving {engine}</source>
            <translation>{engine} を検証しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Paused at {amount}</source>
            <translation>{amount} で一時停止中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Unpacking …</source>
            <translation>展開しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Proving that it computes right with weights in {kind} …</source>
            <translation>{kind} の重みで正しく計算できるか検証しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Proving that it computes right on this machine …</source>
            <translation>このマシンで正しく計算できるか検証しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Another engine takes its place until you let it try again.</source>
            <translation>再試行するまで、別のエンジンが代わりに動作します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Another engine takes its place. The page Engines says more.</source>
            <translation>別のエンジンが代わりに動作します。詳しくはページ「エンジン」をご覧ください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{file}: {size}, terms: {terms}</source>
            <translation>{file}: {size}、利用条件: {terms}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{size} of the disk become free.</source>
            <translation>ディスクが {size} 空きます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Changed</source>
            <translation>変更あり</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Its files are not those that were installed, so it is not started. Install it again.</source>
            <translation>ファイルがインストール時と違うため、起動しません。もう一度インストールしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Set aside</source>
            <translation>使用停止中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Does not work here</source>
            <translation>ここでは動作しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>In use by {models}</source>
            <translation>{models} が使用中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Ready</source>
            <translation>準備完了</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>no card found</source>
            <translation>カードが見つかりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>processor</source>
            <translation>プロセッサー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>proven for {kinds}</source>
            <translation>{kinds} で検証済み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{factor} times as fast as the built-in engine</source>
            <translation>内蔵エンジンの {factor} 倍の速さ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Not used for weights in {kind}: {reason}</source>
            <translation>{kind} の重みには使いません: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>unknown cause</source>
            <translation>原因不明</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Not used for {model}: {reason}</source>
            <translation>{model} には使いません: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>from {place}</source>
            <translation>入手元: {place}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Damaged</source>
            <translation>破損</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>graphics of Apple Silicon</source>
            <translation>Apple Silicon のグラフィックス</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>comes with the app</source>
            <translation>アプリに付属</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>found on this computer</source>
            <translation>このコンピューターで見つかったもの</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{engine} could not be installed</source>
            <translation>{engine} をインストールできませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{engine} could not be proven</source>
            <translation>{engine} を検証できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Waiting: {cause}</source>
            <translation>待機中: {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Downloading</source>
            <translation>ダウンロード中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>Kind:</source>
            <translation>種類:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>Context:</source>
            <translation>コンテキスト:</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>{count} tokens</source>
            <translation>
                <numerusform>{count} トークン</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>Size:</source>
            <translation>サイズ:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>This machine:</source>
            <translation>このコンピューター:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/downloads.py" />
            <source>File {number} of {count}: {text}</source>
            <translation>ファイル {number}/{count}: {text}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>Type a text first.</source>
            <translation>先にテキストを入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server is asleep. Start it first.</source>
            <translation>サーバーは休止中です。先に起動してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The model is being loaded …</source>
            <translation>モデルを読み込んでいます…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server is being restarted …</source>
            <translation>サーバーを再起動しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server waits until the model is there again.</source>
            <translation>サーバーはモデルが元に戻るのを待っています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server must run first.</source>
            <translation>先にサーバーを起動してください。</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>{count} texts</source>
            <translation>
                <numerusform>テキスト {count} 件</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>{count} dimensions</source>
            <translation>
                <numerusform>{count} 次元</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>{ms} ms per text</source>
            <translation>1 件あたり {ms} ms</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>, </source>
            <translation>, </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_names.py" />
            <source>Automatic (the best one for the model)</source>
            <translation>自動 (モデルに最適なもの)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_names.py" />
            <source>llama.cpp (comes with the app)</source>
            <translation>llama.cpp (アプリに付属)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>the model</source>
            <translation>モデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Memory of all models</source>
            <translation>全モデルのメモリ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Graphics memory</source>
            <translation>グラフィックスメモリ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Loaded</source>
            <translation>読み込み済み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Being loaded</source>
            <translation>読み込み中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>This is more than they may take together.</source>
            <translation>全モデルで使える上限を超えています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Restarting: {cause}</source>
            <translation>再起動中: {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Loading … {seconds} s</source>
            <translation>読み込み中… {seconds} 秒</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Waiting for memory …</source>
            <translation>メモリの空きを待っています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Being unloaded …</source>
            <translation>解放中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Failed: {cause}</source>
            <translation>失敗: {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Preparing the start …</source>
            <translation>起動を準備しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Asleep: a request starts it</source>
            <translation>休止中: リクエストを受けると起動します</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Not loaded</source>
            <translation>未読み込み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>≈ {size}</source>
            <translation>約 {size}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>{size} on the card</source>
            <translation>カード上 {size}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>{number} requests/s</source>
            <translation>{number} リクエスト/秒</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>{number} tokens/s</source>
            <translation>{number} トークン/秒</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>idle</source>
            <translation>待機中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Choose a &amp;Free Port</source>
            <translation>空きポートを選択(&amp;F)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>&amp;Verify the Model</source>
            <translation>モデルを検証(&amp;V)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>&amp;Open the Setting…</source>
            <translation>設定を開く(&amp;O)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Choose Another &amp;Engine…</source>
            <translation>別のエンジンを選択(&amp;E)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Every byte is the one that was downloaded, so the file is not the cause.</source>
            <translation>すべてのバイトがダウンロードしたものと一致するため、ファイルは原因ではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Header and size are right. Its weights cannot be checked: no SHA-256 was kept for them.</source>
            <translation>ヘッダーとサイズは正常です。SHA-256 が保存されていないため、重みは検証できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} B</source>
            <translation>{size} B</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} kB</source>
            <translation>{size} kB</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} MB</source>
            <translation>{size} MB</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} GB</source>
            <translation>{size} GB</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} TB</source>
            <translation>{size} TB</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size}/s</source>
            <translation>{size}/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{needed} needed, {free} free: {missing} too little</source>
            <translation>{needed} 必要、空き {free}: {missing} 不足</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{needed} needed, {free} free</source>
            <translation>{needed} 必要、空き {free}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{seconds} s left</source>
            <translation>残り {seconds} 秒</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{minutes} min left</source>
            <translation>残り {minutes} 分</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{hours} h {minutes} min left</source>
            <translation>残り {hours} 時間 {minutes} 分</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Waiting for its turn</source>
            <translation>順番待ち</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Connecting …</source>
            <translation>接続中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Checking …</source>
            <translation>検証中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Cancelled at {amount}</source>
            <translation>{amount} でキャンセル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Downloaded</source>
            <translation>ダウンロード済み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{title}.</source>
            <translation>{title}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Asking the keychain …</source>
            <translation>キーチェーンに確認中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Kept in the system's keychain</source>
            <translation>キーチェーンに保存済み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Kept in a file</source>
            <translation>ファイルに保存済み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Set in the environment</source>
            <translation>環境変数で設定済み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>None</source>
            <translation>なし</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Will be removed</source>
            <translation>削除されます</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Copy it now: once applied, it is not shown again.</source>
            <translation>今のうちにコピーしてください。適用後は二度と表示されません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>The environment variable {name} gives this key, and is used before any other.</source>
            <translation>このキーは環境変数 {name} で指定されていて、ほかのキーより優先されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Clients need the new key.</source>
            <translation>クライアントには新しいキーが必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>The local network needs one.</source>
            <translation>ローカルネットワークには必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>The local network needs one: type it, or press Generate.</source>
            <translation>ローカルネットワークには必要です。入力するか「生成」を押してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>App</source>
            <translation>アプリ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>Error</source>
            <translation>エラー</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>{count} lines</source>
            <translation>
                <numerusform>{count} 行</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>{shown} of {known} lines</source>
            <translation>{known} 行中 {shown} 行</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>No request was answered.</source>
            <translation>応答のあったリクエストはありません。</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>{count} requests</source>
            <translation>
                <numerusform>リクエスト {count} 件</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>p50 {ms} ms</source>
            <translation>p50 {ms} ms</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>p95 {ms} ms</source>
            <translation>p95 {ms} ms</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>{rate} embeddings per second</source>
            <translation>毎秒 {rate} 件</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>{need} of {usable} that can be used</source>
            <translation>使用可能な {usable} のうち {need}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Weights</source>
            <translation>重み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Context</source>
            <translation>コンテキスト</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Overhead</source>
            <translation>その他</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Memory</source>
            <translation>メモリ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>The graphics card has less than this budget.</source>
            <translation>グラフィックスカードのメモリはこの上限より少ないです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>This fits, but leaves little for other programs.</source>
            <translation>収まりますが、ほかのプログラムに使えるメモリがわずかです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>This does not fit; a context size of {size} would.</source>
            <translation>収まりません。コンテキストサイズを {size} にすると収まります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>This does not fit, whatever the context size; choose a smaller model.</source>
            <translation>コンテキストサイズにかかわらず収まりません。より小さいモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>what is free of {total}</source>
            <translation>{total} のうちの空き容量</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Budget</source>
            <translation>上限</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Pause Download</source>
            <translation>ダウンロードを一時停止(&amp;P)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Resume &amp;Download</source>
            <translation>ダウンロードを再開(&amp;D)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Restart Server</source>
            <translation>サーバーを再起動(&amp;R)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;More Models…</source>
            <translation>その他のモデル(&amp;M)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Test &amp;Embedding…</source>
            <translation>埋め込みのテスト(&amp;E)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Address</source>
            <translation>アドレス(&amp;A)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;curl</source>
            <translation>curl の例(&amp;C)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;Python</source>
            <translation>Python の例(&amp;P)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;4D</source>
            <translation>4D の例(&amp;4)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Open Window</source>
            <translation>ウィンドウを開く(&amp;O)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Sett&amp;ings…</source>
            <translation>設定(&amp;I)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Lo&amp;gs…</source>
            <translation>ログ(&amp;G)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;About</source>
            <translation>このアプリについて(&amp;A)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Quit</source>
            <translation>終了(&amp;Q)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Repair &amp;Launch at Login</source>
            <translation>ログイン時の起動を修復(&amp;L)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Launch at Login</source>
            <translation>ログイン時に起動(&amp;L)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Models</source>
            <translation>モデル(&amp;M)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>chosen</source>
            <translation>選択中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>loading …</source>
            <translation>読み込み中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>{name} — {notes}</source>
            <translation>{name} — {notes}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Unload this model</source>
            <translation>このモデルを解放します</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Choose this model</source>
            <translation>このモデルを選びます</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Load this model beside the others</source>
            <translation>このモデルを他のモデルと一緒に読み込みます</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Choose this model and start the server</source>
            <translation>このモデルを選んでサーバーを起動します</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is running already.</source>
            <translation>サーバーはすでに実行中です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is starting already.</source>
            <translation>サーバーはすでに起動中です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server starts by itself when the model is there again.</source>
            <translation>モデルが元に戻ると、サーバーは自動的に起動します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Choose a model first.</source>
            <translation>先にモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is stopping already.</source>
            <translation>サーバーはすでに停止処理中です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is not running.</source>
            <translation>サーバーは実行されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is asleep.</source>
            <translation>サーバーは休止中です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Sparse</source>
            <translation>スパース</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Dense</source>
            <translation>デンス</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Used from {app}, where it is: {path}</source>
            <translation>{app} のものをその場で使用: {path}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>A sparse model runs on PowerInfer alone.</source>
            <translation>スパースモデルは PowerInfer でのみ動作します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Chosen</source>
            <translation>選択中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Another file is at its source now: {source}. To have it, remove this one and download it again.</source>
            <translation>配布元のファイルが変わりました: {source}。入手するには、これを削除してもう一度ダウンロードしてください。</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>{count} models have a newer file</source>
            <translation>
                <numerusform>{count} 個のモデルに新しいファイルがあります</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>No model has a newer file</source>
            <translation>新しいファイルのあるモデルはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>To have one, remove the model and download it again. Nothing is replaced by itself.</source>
            <translation>入手するには、モデルを削除してもう一度ダウンロードしてください。自動で置き換わることはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Not known of: {names}.</source>
            <translation>不明: {names}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Chosen, loaded</source>
            <translation>選択中、読み込み済み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Being loaded …</source>
            <translation>読み込み中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Its publisher wants you to sign in and accept terms first.</source>
            <translation>公開者のサイトにサインインし、利用条件に同意する必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Licence: {licence}.</source>
            <translation>ライセンス: {licence}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Chosen, not downloaded</source>
            <translation>選択中 (未ダウンロード)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Not downloaded</source>
            <translation>未ダウンロード</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>{size} have arrived.</source>
            <translation>{size} を受信しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Being copied …</source>
            <translation>コピー中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>It can be used as soon as all of it is here.</source>
            <translation>すべて揃うと使用できます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Cannot be used</source>
            <translation>使用できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Left by a download</source>
            <translation>ダウンロードの残り</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Nothing tells where it came from: download it again, or remove it to free the space.</source>
            <translation>ダウンロード元の記録がありません。もう一度ダウンロードするか、削除して空き容量を増やしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>{verb} {percent} %</source>
            <translation>{verb} {percent}%</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>The log says why.</source>
            <translation>理由はログにあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>The server crashed and was restarted</source>
            <translation>サーバーがクラッシュし、再起動しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>It is refused until you decide, on the page Status.</source>
            <translation>「状態」ページで決定するまで拒否されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Download finished</source>
            <translation>ダウンロードが完了しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Download failed</source>
            <translation>ダウンロードに失敗しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Engine installed</source>
            <translation>エンジンをインストールしました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>An engine could not be installed</source>
            <translation>エンジンをインストールできませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>For embeddings</source>
            <translation>埋め込み用</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>For chats</source>
            <translation>会話用</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>For ranking texts</source>
            <translation>テキストの順位付け用</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>more than 20 languages</source>
            <translation>20 を超える言語</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Licence: {licence}</source>
            <translation>ライセンス: {licence}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>sees pictures</source>
            <translation>画像に対応</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>{count} downloads</source>
            <translation>
                <numerusform>ダウンロード {count} 回</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>There is no GGUF model in this repository.</source>
            <translation>このリポジトリには GGUF モデルがありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Whether they fit is not known.</source>
            <translation>動くかどうかは分かりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>None fits into this computer's memory. Look for a smaller model.</source>
            <translation>このコンピューターのメモリに収まるものがありません。より小さいモデルを探してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>The repository has more files than are shown.</source>
            <translation>表示されていないファイルがほかにもあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Show Files</source>
            <translation>ファイルを表示</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Download…</source>
            <translation>ダウンロード…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Load</source>
            <translation>読み込む</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Use in Place</source>
            <translation>その場で使用</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>{count} files</source>
            <translation>
                <numerusform>{count} ファイル</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>With this file beside it, the model sees pictures.</source>
            <translation>このファイルを一緒に置くと、モデルが画像を扱えます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>{number} billion weights</source>
            <translation>重み {number}B</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>{number} million weights</source>
            <translation>重み {number}M</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>Allow: its pages may send requests to the models on this computer from now on.</source>
            <translation>許可: 今後、そのページはこのコンピューターのモデルにリクエストを送信できます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>Refuse: it stays locked out, and you are not asked about it again.</source>
            <translation>拒否: アクセスはブロックされたままになり、もう尋ねられません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>Such pages have another name each time: the answer holds for all of them.</source>
            <translation>このようなページの名前は毎回変わるため、回答はそのすべてに適用されます。</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>{count} more wait for an answer.</source>
            <translation>
                <numerusform>ほかに {count} 件が回答を待っています。</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>{origin} wants to use the server</source>
            <translation>{origin} がサーバーの使用を求めています</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Server</source>
            <translation>サーバー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Network</source>
            <translation>ネットワーク</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Automatic (by the model's file)</source>
            <translation>自動 (モデルのファイルによる)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Mean of all tokens (mean)</source>
            <translation>全トークンの平均 (mean)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>First token (cls)</source>
            <translation>先頭のトークン (cls)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Last token (last)</source>
            <translation>末尾のトークン (last)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>A score in place of a vector (rank)</source>
            <translation>ベクトルの代わりにスコア (rank)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Automatic (by the model's name)</source>
            <translation>自動（モデルの名前から）</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Allowed</source>
            <translation>許可する</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Not allowed</source>
            <translation>許可しない</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>This computer only</source>
            <translation>このコンピューターのみ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The local network too</source>
            <translation>ローカルネットワークも許可</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>As the system</source>
            <translation>システムに合わせる</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>From the catalogue.</source>
            <translation>カタログの値。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>This model's own value.</source>
            <translation>このモデル固有の値です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>As for all models.</source>
            <translation>全モデル共通の値です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>At login, the system starts another copy of this app, or one that is gone. Switch this on to start this one.</source>
            <translation>ログイン時に、このアプリの別のコピー、または存在しないコピーが起動するように設定されています。オンにすると、このアプリが起動します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Used by {programs}.</source>
            <translation>{programs} が使用しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>This server has it.</source>
            <translation>このサーバーが使用しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>It is free.</source>
            <translation>空いています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Automatic: {size} tokens for this model.</source>
            <translation>このモデルでは {size} トークンです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The server cannot be started with these settings: {cause}</source>
            <translation>この設定ではサーバーを起動できません: {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The server restarts.</source>
            <translation>サーバーが再起動します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The address changes to port {port}.</source>
            <translation>アドレスがポート {port} に変わります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>{model} is loaded again.</source>
            <translation>{model} は再度読み込まれます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>It must be auto, powerinfer, llama.cpp, llama-server, remote, an installed engine such as llama.cpp-cuda, or the full path of a program.</source>
            <translation>auto、powerinfer、llama.cpp、llama-server、remote、llama.cpp-cuda のようなインストール済みのエンジン、またはプログラムの完全なパスを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Unfinished download</source>
            <translation>未完了のダウンロード</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Models take {total}; {free} are free.</source>
            <translation>モデルの使用量は {total}、空きは {free} です。</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>{count} chosen</source>
            <translation>
                <numerusform>{count} 個を選択</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>What unfinished downloads have left is deleted.</source>
            <translation>未完了のダウンロードが残したものは削除されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Models of other apps stay where they are, and are no longer used from here.</source>
            <translation>他のアプリのモデルはそのまま残り、ここからは使われなくなります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Not used since {day}</source>
            <translation>{day} から未使用</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>{state} · {others}</source>
            <translation>{state} · {others}</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Ready: {count} models loaded</source>
            <translation>
                <numerusform>準備完了: {count} 個のモデルを読み込み済み</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Ready — {model}</source>
            <translation>準備完了 — {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Stopping {model} …</source>
            <translation>{model} を停止しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>{address}, once the server is started</source>
            <translation>{address} (サーバーの起動後)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Downloading {name} — {progress}</source>
            <translation>{name} をダウンロード中 — {progress}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>{name} — {progress}</source>
            <translation>{name} — {progress}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Loading {model} … {seconds} s</source>
            <translation>{model} を読み込み中… {seconds} 秒</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>{count} other models are ready</source>
            <translation>
                <numerusform>他に {count} 個のモデルが使えます</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Stopped: {cause}</source>
            <translation>停止: {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Stopped — {model}</source>
            <translation>停止中 — {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>No model yet — choose one</source>
            <translation>モデルがありません — 選択してください</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Asleep: {cause}</source>
            <translation>休止中: {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Asleep: start it here</source>
            <translation>休止中: ここから起動できます</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>{state} · {address}</source>
            <translation>{state} · {address}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>{question}…</source>
            <translation>{question}…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Stopped before everything was measured. The server runs as before.</source>
            <translation>測定が完了する前に停止しました。サーバーは元の設定で動作しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Keep what is set: nothing is faster by more than 5 %.</source>
            <translation>現在の設定のままで問題ありません。5% を超えて速くなる設定はありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Fastest on {engine} with {writing} threads.</source>
            <translation>{engine} と {writing} スレッドで最速です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Fastest with {writing} threads.</source>
            <translation>{writing} スレッドで最も高速です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Fastest on {engine} with {writing} threads, and {reading} for batches.</source>
            <translation>{engine} と {writing} スレッド（バッチは {reading}）で最速です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Fastest with {writing} threads, and {reading} for batches.</source>
            <translation>{writing} スレッド、バッチは {reading} スレッドで最も高速です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{engine}: not compared. {reason}</source>
            <translation>{engine}：比較していません。{reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{rate} embeddings/s</source>
            <translation>{rate} 埋め込み/秒</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{rate} tokens/s</source>
            <translation>{rate} トークン/秒</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{times} times as fast as the built-in engine</source>
            <translation>内蔵エンジンの {times} 倍の速さ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>Processor</source>
            <translation>プロセッサ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>Requests</source>
            <translation>リクエスト</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>Tokens</source>
            <translation>トークン</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>{cores} cores</source>
            <translation>{cores} コア</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>{number}/s</source>
            <translation>{number}/秒</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>at most {value}</source>
            <translation>最大 {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/verdict.py" />
            <source>No engine</source>
            <translation>エンジンなし</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/verdict.py" />
            <source>Fits</source>
            <translation>実行可能</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/verdict.py" />
            <source>Tight</source>
            <translation>ぎりぎり</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/verdict.py" />
            <source>Does not fit</source>
            <translation>実行不可</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/tray.py" />
            <source>Tray menu</source>
            <translation>トレイメニュー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/basic.py" />
            <source>Lines of the log that show it</source>
            <translation>原因を示すログの行</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/basic.py" />
            <source>Information</source>
            <translation>情報</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/build_rows.py" />
            <source>More</source>
            <translation>その他</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/build_rows.py" />
            <source>More: {engine}</source>
            <translation>その他: {engine}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Sa&amp;ve…</source>
            <translation>保存(&amp;V)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Texts and vectors as &amp;JSON</source>
            <translation>テキストとベクトルを JSON で(&amp;J)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Request for &amp;curl</source>
            <translation>curl のリクエスト(&amp;C)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Request for &amp;Python</source>
            <translation>Python のリクエスト(&amp;P)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Request for &amp;4D</source>
            <translation>4D のリクエスト(&amp;4)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>No.</source>
            <translation>番号</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Text</source>
            <translation>テキスト</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Norm</source>
            <translation>ノルム</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>First values</source>
            <translation>先頭の値</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Embedded texts</source>
            <translation>埋め込んだテキスト</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Vect&amp;or</source>
            <translation>ベクトル(&amp;O)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Si&amp;milarity</source>
            <translation>類似度(&amp;M)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Save the results</source>
            <translation>結果の保存</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Texts and vectors</source>
            <translation>テキストとベクトル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Table</source>
            <translation>表</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>NumPy, vectors only</source>
            <translation>NumPy (ベクトルのみ)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Loaded models</source>
            <translation>読み込み済みのモデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Unload</source>
            <translation>解放</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Keep {model} loaded</source>
            <translation>{model} を常に読み込んでおく</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Load {model}</source>
            <translation>{model} を読み込む</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Dismiss: {model}</source>
            <translation>閉じる: {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Unload {model}</source>
            <translation>{model} を解放</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Dismiss</source>
            <translation>閉じる</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>Discover &amp;Other Models</source>
            <translation>ほかのモデルを探す(&amp;O)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>Choose a model to begin with</source>
            <translation>最初のモデルを選んでください</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>These run well on this computer. You can have others at any time.</source>
            <translation>このコンピューターでよく動くモデルです。ほかのモデルはいつでも追加できます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>No model of the catalogue suits this computer. Others may: look for one.</source>
            <translation>カタログにこのコンピューターに合うモデルがありません。ほかのモデルを探してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>Do&amp;wnload and start</source>
            <translation>ダウンロードして起動(&amp;W)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>Download and &amp;start</source>
            <translation>ダウンロードして起動(&amp;S)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>To check the installation</source>
            <translation>インストールの確認用</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>It needs next to no memory.</source>
            <translation>メモリはほとんど要りません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>&amp;Try it now</source>
            <translation>今すぐ試す(&amp;T)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/heat_map.py" />
            <source>Similarity of the texts</source>
            <translation>テキストの類似度</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/heat_map.py" />
            <source>The nearest of {count} texts are {first} and {second}: {value}</source>
            <translation>{count} 件のテキストのうち最も近いのは {first} と {second}: {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/heat_map.py" />
            <source>Text {first} and text {second}: {value}</source>
            <translation>テキスト {first} とテキスト {second}: {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/histogram.py" />
            <source>Latencies of the requests</source>
            <translation>リクエストのレイテンシ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/histogram.py" />
            <source>Latency (ms)</source>
            <translation>レイテンシ (ms)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/histogram.py" />
            <source>{count} requests from {low} to {high} ms</source>
            <translation>{count} 件のリクエスト、{low}～{high} ms</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Generate</source>
            <translation>生成</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Copy</source>
            <translation>コピー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Remove</source>
            <translation>削除</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Generate: {title}</source>
            <translation>生成: {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Copy: {title}</source>
            <translation>コピー: {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Keep</source>
            <translation>残す</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Keep: {title}</source>
            <translation>残す: {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Remove: {title}</source>
            <translation>削除: {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/log_table.py" />
            <source>Time</source>
            <translation>時刻</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/log_table.py" />
            <source>Message</source>
            <translation>メッセージ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/memory_bar.py" />
            <source>{title}:</source>
            <translation>{title}:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/memory_bar.py" />
            <source>⚠ {warning}</source>
            <translation>⚠ {warning}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/model_table.py" />
            <source>State</source>
            <translation>状態</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/model_table.py" />
            <source>Size</source>
            <translation>サイズ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/model_table.py" />
            <source>This machine</source>
            <translation>判定</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/model_table.py" />
            <source>Quantization</source>
            <translation>量子化</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/model_table.py" />
            <source>Kind</source>
            <translation>種類</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/offer_rows.py" />
            <source>★ Best for this computer</source>
            <translation>★ このコンピューターに最適</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/offer_rows.py" />
            <source>{action}: {name}</source>
            <translation>{action}: {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/origin_card.py" />
            <source>Al&amp;low</source>
            <translation>許可(&amp;L)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/origin_card.py" />
            <source>&amp;Refuse</source>
            <translation>拒否(&amp;R)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/origin_card.py" />
            <source>Allow {origin}</source>
            <translation>{origin} を許可</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/origin_card.py" />
            <source>Refuse {origin}</source>
            <translation>{origin} を拒否</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/pictures.py" />
            <source>Save the picture</source>
            <translation>画像の保存</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/pictures.py" />
            <source>Picture (*.png)</source>
            <translation>画像 (*.png)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/pictures.py" />
            <source>Drawing (*.svg)</source>
            <translation>ベクター画像 (*.svg)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>Plot of the vector</source>
            <translation>ベクトルのグラフ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>Dimension</source>
            <translation>次元</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>Value</source>
            <translation>値</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>{count} values from {low} to {high}</source>
            <translation>{count} 個の値、{low}～{high}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>Dimension {index}: {value}</source>
            <translation>次元 {index}: {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Automatic</source>
            <translation>自動</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>As for all</source>
            <translation>共通に戻す</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Reset</source>
            <translation>既定に戻す</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Reset: {title}</source>
            <translation>既定に戻す: {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>As for all models: {title}</source>
            <translation>全モデル共通に戻す: {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Browse…</source>
            <translation>参照…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Browse for: {title}</source>
            <translation>参照: {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_rows.py" />
            <source>the one of the setting Model</source>
            <translation>設定「モデル」のもの</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>All models</source>
            <translation>すべてのモデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>Settings for</source>
            <translation>設定の対象</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>For all models, or for one that is to have its own.</source>
            <translation>すべてのモデル、または固有の設定を持つ 1 つのモデル。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>Settings &amp;for:</source>
            <translation>設定の対象(&amp;F):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>{name} (not installed)</source>
            <translation>{name} (未インストール)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/usage_panel.py" />
            <source>The last two minutes, while this page is open.</source>
            <translation>このページを開いている間の、直近 2 分間です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Settin&amp;gs…</source>
            <translation>設定(&amp;G)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Pages</source>
            <translation>ページ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Status</source>
            <translation>状態</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Engines</source>
            <translation>エンジン</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Logs</source>
            <translation>ログ</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Built-in test model</source>
            <translation>組み込みのテストモデル</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Comes with the app to check the installation; its answers mean nothing.</source>
            <translation>インストールを確認するためにアプリに付属しています。応答に意味はありません。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Sparse 7B model for embeddings and for continuing a text, in 4 bits.</source>
            <translation>埋め込みと文章の続きの生成に使う、4 ビットの 7B スパースモデルです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>The same model in full precision, for computers with much memory.</source>
            <translation>同じモデルの完全精度版です。メモリの多いコンピューター向けです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Bamboo 7B trained for conversation, in 4 bits: the one to chat with.</source>
            <translation>会話用に学習した Bamboo 7B の 4 ビット版です。チャットにはこれを使用します。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Bamboo 7B trained for conversation, in full precision.</source>
            <translation>会話用に学習した Bamboo 7B の完全精度版です。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Llama 2 7B made sparse, in full precision.</source>
            <translation>スパース化した Llama 2 7B の完全精度版です。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Llama 2 13B made sparse, in full precision.</source>
            <translation>スパース化した Llama 2 13B の完全精度版です。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Llama 2 70B made sparse, in 4 bits.</source>
            <translation>スパース化した Llama 2 70B の 4 ビット版です。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Falcon 40B made sparse, in 4 bits; asks you to accept its terms on Hugging Face.</source>
            <translation>スパース化した Falcon 40B の 4 ビット版です。Hugging Face での利用条件への同意が必要です。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings in more than 100 languages, also of long texts; texts need no prefix.</source>
            <translation>100 以上の言語の埋め込み。長いテキストにも対応し、接頭辞は要りません。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings in more than 100 languages and of code; finds best, and is slower than others.</source>
            <translation>100 以上の言語とコードの埋め込み。検索の精度が最も高く、ほかより遅くなります。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings in more than 100 languages; small and fast.</source>
            <translation>100 以上の言語の埋め込み。小さくて速いモデルです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of short texts in about 100 languages; each begins with its task.</source>
            <translation>約 100 言語の短いテキストの埋め込み。テキストは用途を示す語で始まります。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of short texts in about 100 languages, on any computer.</source>
            <translation>約 100 言語の短いテキストの埋め込み。どのコンピューターでも動きます。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of English texts up to 2048 tokens; each begins with its task.</source>
            <translation>2048 トークンまでの英語のテキストの埋め込み。テキストは用途を示す語で始まります。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of English texts up to 512 tokens; small and fast.</source>
            <translation>512 トークンまでの英語テキストの埋め込み用です。小型で高速です。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Says how well texts answer a question, in more than 100 languages.</source>
            <translation>テキストが質問にどれだけ答えているかを、100 以上の言語で評価します。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model that thinks first, uses tools and knows more than 100 languages.</source>
            <translation>考えてから答えるチャットモデル。ツールを使え、100 以上の言語に対応します。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model that knows more than 140 languages and answers at once.</source>
            <translation>140 以上の言語に対応し、すぐに答えるチャットモデルです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Half the size of Qwen3 8B: it thinks first, uses tools and knows more than 100 languages.</source>
            <translation>Qwen3 8B の半分の大きさ。考えてから答え、ツールを使え、100 以上の言語に対応します。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model of 3B for everyday work in twelve languages; uses tools.</source>
            <translation>12 の言語での日常の作業に向く 3B のチャットモデル。ツールを使えます。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model of 3B that can think first, in six European languages.</source>
            <translation>考えてから答えることもできる 3B のチャットモデル。ヨーロッパの 6 言語に対応します。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A small chat model that thinks first and knows more than 100 languages.</source>
            <translation>考えてから答え、100 以上の言語に対応する小さなチャットモデルです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A small chat model for English.</source>
            <translation>小型の英語チャットモデルです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A small chat model that sees pictures.</source>
            <translation>画像を見ることができる小さなチャットモデルです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model for any computer that knows many languages, and little else.</source>
            <translation>どのコンピューターでも動くチャットモデル。多くの言語に対応しますが、知識はわずかです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model that answers at once on any computer; English, and not clever.</source>
            <translation>どのコンピューターでもすぐに応答する英語のチャットモデルです。あまり賢くはありません。</translation>
        </message>
    </context>
</TS>

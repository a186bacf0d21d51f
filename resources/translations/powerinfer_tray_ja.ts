<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ja" sourcelanguage="en">
    <context>
        <name>app</name>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>There is nothing to answer</source>
            <translation>返答する内容がありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>The conversation does not end with a message of yours.</source>
            <translation>会話があなたのメッセージで終わっていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>Write a message first.</source>
            <translation>先にメッセージを入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>{model} cannot chat</source>
            <translation>{model} はチャットに使えません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>It was made for embeddings or for ranking texts and cannot write.</source>
            <translation>埋め込みまたはテキストの順位付け用のモデルで、文章は書けません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>Choose a chat model.</source>
            <translation>チャットモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>{model} was not trained for chat</source>
            <translation>{model} はチャット用に学習されていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>Its file has no chat template: it is a base model, which continues a text instead of answering.</source>
            <translation>ファイルにチャットテンプレートがありません。答えるのではなく、文章の続きを書くベースモデルです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>Choose a model with “Instruct” or “Chat” in its name. If this one was trained for chat after all, name a template in its extra arguments, for example --chat-template chatml.</source>
            <translation>名前に「Instruct」または「Chat」を含むモデルを選択してください。このモデルが実際にはチャット用に学習されている場合は、追加の引数でテンプレートを指定してください (例: --chat-template chatml)。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>{model} cannot see pictures</source>
            <translation>{model} は画像を見ることができません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>The conversation has pictures, and this model reads text only.</source>
            <translation>会話に画像が含まれていますが、このモデルはテキストしか読めません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>Choose a model that can see, or start a conversation without pictures.</source>
            <translation>画像を見られるモデルを選択するか、画像のない会話を始めてください。</translation>
        </message>
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
            <source>Enter its owner and name: owner/repository</source>
            <translation>所有者と名前を指定してください: owner/repository</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>{name} ({size:,} bytes) is the best of {count} files for this computer. {reason}</source>
            <translation>{count} 個のファイルのうち、このコンピューターには {name}（{size:,} バイト）が最適です。{reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>No file in {repository} fits in this computer's memory</source>
            <translation>{repository} には、このコンピューターのメモリに収まるファイルがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>The smallest, {name}, needs {need:,.1f} GiB, but only {room:,.1f} GiB can be used.</source>
            <translation>最も小さい {name} でも {need:,.1f} GiB が必要ですが、使えるのは {room:,.1f} GiB です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>Choose a smaller model, or name the file to download it anyway: {example}</source>
            <translation>より小さいモデルを選ぶか、それでもダウンロードする場合はファイル名を指定してください: {example}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>{name} is too large</source>
            <translation>{name} は大きすぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>The limit is {count} MB of text at a time.</source>
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
            <source>Save it as UTF-8 text, or choose another file.</source>
            <translation>UTF-8 のテキストとして保存するか、別のファイルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>{name} could not be read</source>
            <translation>{name} を読み込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>Check that you have permission to read it.</source>
            <translation>読み取り権限を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>Results cannot be saved as {kind}</source>
            <translation>結果を {kind} として保存できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>a file without an extension</source>
            <translation>拡張子のないファイル</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>The name must end in {names}.</source>
            <translation>名前の末尾は {names} である必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>You need to accept the publisher's terms first</source>
            <translation>先に公開者の利用条件への同意が必要です</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>{name}: {cost}. It contains files under the terms of {owners}.</source>
            <translation>{name}: {cost}。{owners} の利用条件が適用されるファイルが含まれます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>To accept them, run: powerinfer-tray engines install {id} --yes</source>
            <translation>同意する場合: powerinfer-tray engines install {id} --yes</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>You already have the best engine for this computer</source>
            <translation>このコンピューターに最適なエンジンはすでに使用中です</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>To install another one anyway, give its ID. To list the engines, run: powerinfer-tray engines list</source>
            <translation>それでも別のエンジンをインストールするには、ID を指定してください。エンジンの一覧: powerinfer-tray engines list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>Paused</source>
            <translation>一時停止中</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>{size:,} bytes have been downloaded.</source>
            <translation>{size:,} バイトを受信済みです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>Run the same command again to continue.</source>
            <translation>続けるには、同じコマンドをもう一度実行してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>There is no engine called “{id}”</source>
            <translation>エンジン「{id}」はありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>No engine with this name is available for this computer.</source>
            <translation>このコンピューター向けに、この名前のエンジンはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>To list the available engines, run: powerinfer-tray engines list</source>
            <translation>利用できるエンジンの一覧: powerinfer-tray engines list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>The engine “{id}” is in use</source>
            <translation>エンジン「{id}」は使用中です</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>It is running {models}.</source>
            <translation>{models} を実行しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>Stop the server or unload these models first, or choose another engine for them.</source>
            <translation>先にサーバーを停止するか、これらのモデルをアンロードするか、別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>{name} is not in the models folder</source>
            <translation>{name} はモデルフォルダーにありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>Only the model chosen in the setting “Model” may be in another folder. Requests could not name any other.</source>
            <translation>別のフォルダーに置けるのは、設定「モデル」で選択したモデルだけです。ほかのモデルはリクエストで指定できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>Import it: powerinfer-tray models import PATH</source>
            <translation>追加するには: powerinfer-tray models import パス</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>{model} is not loaded</source>
            <translation>{model} は読み込まれていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>No engine is running it.</source>
            <translation>このモデルを実行しているエンジンはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>To list the loaded models, run: powerinfer-tray ps</source>
            <translation>読み込まれているモデルの一覧: powerinfer-tray ps</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>The engine did not stop in time</source>
            <translation>エンジンが時間内に終了しませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>It is still using the model file.</source>
            <translation>まだモデルのファイルを使用しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>Try again in a moment.</source>
            <translation>しばらくしてから、もう一度お試しください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>{name} is in use by the server</source>
            <translation>{name} はサーバーで使用中です</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>The engine is using the file.</source>
            <translation>エンジンがファイルを開いています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Stop the server first.</source>
            <translation>先にサーバーを停止してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>No model was given</source>
            <translation>モデルが指定されていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>No name was given.</source>
            <translation>名前が指定されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Give the model's ID. To list them, run: powerinfer-tray models list</source>
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
            <source>No program for quantizing was found</source>
            <translation>量子化用のプログラムが見つかりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>There is none next to PowerInfer's server or on the PATH.</source>
            <translation>PowerInfer サーバーの隣にも PATH にもありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Put PowerInfer's “quantize” next to its server, or on the PATH as “powerinfer-quantize”. For regular models, use llama.cpp's “llama-quantize”.</source>
            <translation>PowerInfer の「quantize」をサーバーと同じ場所に置くか、「powerinfer-quantize」という名前で PATH に置いてください。通常のモデルには llama.cpp の「llama-quantize」を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>The file is {path}, and the models folder is {folder}.</source>
            <translation>場所は {path} で、モデルフォルダーは {folder} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Delete it yourself or, if it is a model, run: powerinfer-tray models remove --yes PATH</source>
            <translation>ご自身で削除するか、モデルの場合は次のコマンドを実行してください: powerinfer-tray models remove --yes パス</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>Give the path of one of them.</source>
            <translation>パスで指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>No other app has a model {reference}</source>
            <translation>{reference} というモデルを持つほかのアプリはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>No model with this name was found, apart from those already in your list.</source>
            <translation>すでに一覧にあるもの以外に、この名前のモデルは見つかりませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>To list the models of other apps, run: powerinfer-tray models adopt</source>
            <translation>ほかのアプリにあるモデルの一覧: powerinfer-tray models adopt</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>The server is not running</source>
            <translation>サーバーは実行されていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>There is no address to connect to.</source>
            <translation>接続できるアドレスがありません。</translation>
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
            <source>Without one, anyone on the network could use this server.</source>
            <translation>キーがないと、ネットワーク上の誰でもこのサーバーを使用できます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>Set one in the settings under “Network &amp; access”, or run: powerinfer-tray key set gateway. On a computer without a keychain, add --file, or set the environment variable {variable}.</source>
            <translation>設定の「ネットワークとアクセス」または powerinfer-tray key set gateway でキーを決めてください。キーチェーンのないコンピューターでは、このコマンドに --file を付けるか、環境変数 {variable} を設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/release.py" />
            <source>The key that came with this app is not of the expected kind.</source>
            <translation>このアプリに付属する鍵の種類が正しくありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/release.py" />
            <source>The key that came with this app cannot be read.</source>
            <translation>このアプリに付属する鍵を読み取れません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/release.py" />
            <source>The signature of {file} was not made with the key of this app's makers.</source>
            <translation>{file} の署名は、このアプリの開発元の鍵によるものではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/release.py" />
            <source>It is not in the signed list {file}.</source>
            <translation>署名されたリスト {file} にありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/release.py" />
            <source>{name} cannot be trusted</source>
            <translation>{name} は信頼できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/release.py" />
            <source>Nothing was downloaded. Do not install this version; report it to the makers of this app.</source>
            <translation>何もダウンロードしていません。このバージョンはインストールせず、このアプリの開発元に報告してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>There is no window to show</source>
            <translation>表示できるウィンドウがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>The app is running in a terminal.</source>
            <translation>アプリはターミナルで実行されています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/search_manager.py" />
            <source>The search is empty</source>
            <translation>検索語がありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/search_manager.py" />
            <source>No words were entered.</source>
            <translation>言葉が入力されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/search_manager.py" />
            <source>Enter what to look for.</source>
            <translation>探したい内容を入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/search_manager.py" />
            <source>The model's vectors cannot be used</source>
            <translation>このモデルのベクトルは使えません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>The model for this conversation is missing</source>
            <translation>この会話のモデルが見つかりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>{model} was removed or renamed.</source>
            <translation>{model} は削除されたか、名前が変更されました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>Choose another model for this conversation, or download this one again.</source>
            <translation>この会話に別のモデルを選択するか、このモデルをもう一度ダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>The default model {name} is not installed</source>
            <translation>既定のモデル {name} はインストールされていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>It answers requests that do not name an installed model.</source>
            <translation>インストール済みのモデルを指定しないリクエストに使われます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>Download it, or choose another model in the settings.</source>
            <translation>ダウンロードするか、設定で別のモデルを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>A model can be loaded only while the server is running.</source>
            <translation>モデルを読み込めるのは、サーバーの実行中だけです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>Start the server first.</source>
            <translation>先にサーバーを起動してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>The engine is a remote server</source>
            <translation>エンジンはリモートサーバーです</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>It has its own models, so none are loaded on this computer.</source>
            <translation>リモートサーバーには独自のモデルがあるため、このコンピューターには読み込まれません。</translation>
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
            <source>It was not ready in time.</source>
            <translation>時間内に準備が完了しませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>It was stopped.</source>
            <translation>停止されました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>{model} is still running with its old settings: {reason}</source>
            <translation>{model} は以前の設定のまま動作しています: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/start_job.py" />
            <source>The start was canceled</source>
            <translation>起動はキャンセルされました</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/start_job.py" />
            <source>The server was stopped before it was ready.</source>
            <translation>起動が完了する前にサーバーが停止されました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/status.py" />
            <source>To try it again, run: powerinfer-tray engines allow {id}</source>
            <translation>もう一度試す: powerinfer-tray engines allow {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/status.py" />
            <source>{model} is not using the engine {id}</source>
            <translation>{model} はエンジン {id} では実行されていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/status.py" />
            <source>For details, run: powerinfer-tray engines list</source>
            <translation>詳しくは: powerinfer-tray engines list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>Threads can be tuned only for an engine on this computer</source>
            <translation>スレッド数を調整できるのは、このコンピューターのエンジンだけです</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>Set them on the remote server.</source>
            <translation>リモートサーバーで設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>A sparse model always uses one thread</source>
            <translation>スパースモデルは常に 1 スレッドで動作します</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>To use all cores, choose a regular GGUF model, which llama.cpp runs.</source>
            <translation>すべてのコアを使用するには、llama.cpp で動作する通常の GGUF モデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>It was not tested with {weights} quantization.</source>
            <translation>{weights} の量子化ではテストされていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>It does not work with {weights} quantization: {reason}</source>
            <translation>{weights} の量子化では動作しません: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>It failed, and {engine} was used instead.</source>
            <translation>失敗したため、{engine} が代わりに動作しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/workspace.py" />
            <source>There is nothing to download.</source>
            <translation>ダウンロードするものはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>The conversations cannot be read</source>
            <translation>会話を読み取れません</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>{path}: {reason}</source>
            <translation>{path}: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>Check the permissions of this folder.</source>
            <translation>このフォルダーの権限を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>{name} cannot be read</source>
            <translation>{name} を読み取れません</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>The file stays as it is. Check that it is an ordinary file and that you may read it.</source>
            <translation>ファイルはそのまま残ります。通常のファイルであり、読み取りが許可されていることを確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>Another program has been writing conversations for ten seconds.</source>
            <translation>別のプログラムが 10 秒前から会話を書き込んでいます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>Try again.</source>
            <translation>もう一度お試しください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>Check the permissions of this folder and the free space on its disk.</source>
            <translation>このフォルダーの権限と、ディスクの空き容量を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>The conversation is gone</source>
            <translation>会話がなくなっています</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>There is no file for {name}: it was deleted or moved.</source>
            <translation>{name} のファイルがありません。削除または移動されています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>Choose another conversation.</source>
            <translation>別の会話を選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>The conversation could not be saved</source>
            <translation>会話を保存できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>It contains nothing that this app can read as a conversation.</source>
            <translation>このアプリが会話として読み取れる内容がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>The file stays as it is. You can open it in a text editor.</source>
            <translation>ファイルはそのまま残ります。テキストエディターで開けます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>{name} was written by a newer version of this app</source>
            <translation>{name} はこのアプリの新しいバージョンで書かれています</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>Only part of {name} could be read</source>
            <translation>{name} は一部しか読み取れませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>Lines {lines} and {count} more contain something this app does not understand.</source>
            <translation>{lines} 行目とほか {count} 行に、このアプリが理解できない内容があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>These lines contain something this app does not understand: {lines}.</source>
            <translation>次の行に、このアプリが理解できない内容があります: {lines}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>You can continue with what was read. The original is then kept beside it.</source>
            <translation>読み取れた内容から続けられます。元のファイルはそのとき横に保存されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>{name} is a copy of a damaged file</source>
            <translation>{name} は破損したファイルのコピーです</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>It holds what could not be read when the conversation was continued.</source>
            <translation>会話を続けたときに読み取れなかった内容が入っています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>Open it in a text editor, and delete it when you no longer need it.</source>
            <translation>テキストエディターで開き、不要になったら削除してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>With its pictures, it is larger than {most} MB.</source>
            <translation>画像を含めて {most} MB を超えています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>Start a new conversation.</source>
            <translation>新しい会話を始めてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>The conversation could not be removed</source>
            <translation>会話を削除できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>{reason} ({path}).</source>
            <translation>{reason} ({path})。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>Check its permissions. If there is no trash, delete it permanently.</source>
            <translation>アクセス権を確認してください。ごみ箱がない場合は完全に削除してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>Conversations cannot be saved as {kind}</source>
            <translation>会話を {kind} として保存できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>a file without an ending</source>
            <translation>拡張子のないファイル</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>Enter the URL of a file (https://…/model.gguf) or hf:owner/repository/file.gguf.</source>
            <translation>ファイルの URL (https://…/model.gguf) または hf:owner/repository/file.gguf を入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>This is not a URL</source>
            <translation>これは URL ではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>It starts with “{text}” and is {count:,} characters long. The limit is {most:,}.</source>
            <translation>「{text}」で始まり、{count:,} 文字あります。上限は {most:,} 文字です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>“{text}” contains characters that are not allowed in a URL.</source>
            <translation>「{text}」に、URL では使えない文字が含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>This is not a file on Hugging Face</source>
            <translation>これは Hugging Face のファイルではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>“{text}” is not a known form.</source>
            <translation>「{text}」は認識できない形式です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>“{text}”: {reason}.</source>
            <translation>「{text}」: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>This URL cannot be downloaded</source>
            <translation>この URL からはダウンロードできません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>There is already another file with this name</source>
            <translation>同じ名前の別のファイルがあります</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>{path} is not the file that the server offers, so it was left unchanged.</source>
            <translation>{path} はサーバーが提供しているファイルとは異なるため、変更していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>Rename or delete it, then download again.</source>
            <translation>名前を変更するか削除してから、もう一度ダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/connection_pool.py" />
            <source>All connections were closed.</source>
            <translation>すべての接続が切れました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>Something else is using this download's file name</source>
            <translation>このダウンロードのファイル名は別のものに使われています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>{path}: {reason}. Nothing was written there.</source>
            <translation>{path}: {reason}。そこには何も書き込んでいません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>Check what it is. If you do not need it, delete it and choose Resume.</source>
            <translation>内容を確認し、不要であれば削除して［再開］を押してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>This disk cannot store such large files</source>
            <translation>このディスクには、この大きさのファイルを保存できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>{name} is too large for the disk of {folder}. Many USB sticks use FAT32, which allows files of up to 4 GB. A disk quota can also set a limit.</source>
            <translation>{name} は、{folder} のディスクに保存できる大きさを超えています。多くの USB メモリで使われる FAT32 では、ファイルは 4 GB までです。クォータによる制限の場合もあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>Choose a models folder on a disk with exFAT, NTFS, APFS or ext4, or choose a smaller or split model. What was downloaded is kept: move its files (.part, .part.json) to the new folder to continue.</source>
            <translation>exFAT、NTFS、APFS、ext4 のいずれかのディスクにあるモデルフォルダーを選択するか、より小さいモデルまたは分割されたモデルを選択してください。ダウンロード済みの部分は保存されています。続けるには、そのファイル (.part、.part.json) を新しいフォルダーに移動してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>The disk is full</source>
            <translation>ディスクがいっぱいです</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>There is not enough space for {name} in {folder}.</source>
            <translation>{folder} に {name} を保存する空き容量がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>Free some space and choose Resume, or choose another models folder.</source>
            <translation>空き容量を増やして［再開］を押すか、別のモデルフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>{path}: {reason}.</source>
            <translation>{path}: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>Check that the drive is connected and that you have permission to write to it, or choose another models folder.</source>
            <translation>ドライブが接続され、書き込み権限があることを確認するか、別のモデルフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The connection was lost</source>
            <translation>接続が切れました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>What was downloaded is kept. Choose Resume to continue.</source>
            <translation>ダウンロード済みの部分は保存されています。［再開］を押すと続きから始まります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The file has changed on the server</source>
            <translation>サーバー上のファイルが変更されました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Download it again from the beginning.</source>
            <translation>最初からダウンロードし直してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>{name} on the server is no longer the file whose download was started.</source>
            <translation>サーバー上の {name} は、ダウンロードを始めたときのファイルではなくなっています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>No secure connection</source>
            <translation>安全に接続できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The identity of {host} could not be verified ({reason}).</source>
            <translation>{host} の身元を確認できませんでした ({reason})。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the computer's clock. If your company uses its own certificate, add it to the system's certificate store.</source>
            <translation>コンピューターの時計を確認してください。会社独自の証明書を使用している場合は、システムの証明書ストアに追加してください。</translation>
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
            <source>Check the URL and your internet connection.</source>
            <translation>URL とインターネット接続を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The proxy does not answer</source>
            <translation>プロキシが応答しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the proxy in the system settings, or in HTTP_PROXY and HTTPS_PROXY.</source>
            <translation>システム設定、または HTTP_PROXY と HTTPS_PROXY のプロキシを確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>This URL cannot be used</source>
            <translation>この URL は使用できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Open the URL in a browser to check it.</source>
            <translation>URL をブラウザーで開いて確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The server stopped sending data.</source>
            <translation>サーバーからデータが届かなくなりました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The server closed it in the middle of the file.</source>
            <translation>サーバーがファイルの途中で接続を閉じました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>No answer in time</source>
            <translation>時間内に応答がありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part.py" />
            <source>Another download uses this file name</source>
            <translation>別のダウンロードがこのファイル名を使用しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part.py" />
            <source>{path} is being downloaded from another URL.</source>
            <translation>{path} は別の URL からダウンロード中です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part.py" />
            <source>Wait until it has finished, or cancel it. Then download this file again.</source>
            <translation>そのダウンロードの完了を待つか、キャンセルしてから、こちらをもう一度ダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part_lock.py" />
            <source>Another program is downloading this file</source>
            <translation>別のプログラムがこのファイルをダウンロード中です</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part_lock.py" />
            <source>{path} is being written to, perhaps by this app in another terminal.</source>
            <translation>{path} は書き込み中です。別のターミナルでこのアプリが実行されている可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part_lock.py" />
            <source>Wait until the other download has finished, or stop it.</source>
            <translation>別のダウンロードが終わるまで待つか、停止してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download is paused</source>
            <translation>ダウンロードは一時停止中です</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download was canceled</source>
            <translation>ダウンロードはキャンセルされました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>{count:,} bytes of {name} have been downloaded.</source>
            <translation>{name} を {count:,} バイト受信しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>Resume it to continue.</source>
            <translation>再開すると続きからダウンロードします。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download failed unexpectedly</source>
            <translation>ダウンロードが予期せず失敗しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The server refused access to this file</source>
            <translation>サーバーがこのファイルへのアクセスを拒否しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}: you may need to sign in or accept a license.</source>
            <translation>{host} が {status} を返しました。サインインまたはライセンスへの同意が必要な場合があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Open the URL in a browser. If you can download the file only after signing in, download it there and put it in the models folder.</source>
            <translation>URL をブラウザーで開いてください。サインインしないとダウンロードできない場合は、ブラウザーでダウンロードしてモデルフォルダーに入れてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The file was not found</source>
            <translation>ファイルが見つかりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}: there is no file at this URL.</source>
            <translation>{host} が {status} を返しました。この URL にファイルはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Check the owner, repository and file name, including upper and lower case.</source>
            <translation>所有者、リポジトリ、ファイル名を確認してください。大文字と小文字は区別されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The server refused the request</source>
            <translation>サーバーがリクエストを拒否しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}.</source>
            <translation>{host} の応答は {status} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The server has a problem</source>
            <translation>サーバーに問題があります</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Try again in a few minutes.</source>
            <translation>数分後にもう一度お試しください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}: you can try again in {seconds:.0f} s.</source>
            <translation>{host} が {status} を返しました。{seconds:.0f} 秒後にもう一度お試しください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Wait a few minutes. An access token allows more requests: powerinfer-tray key set {host}</source>
            <translation>数分お待ちください。アクセストークンがあれば、より多くのリクエストを送れます: powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Too many requests to {host}</source>
            <translation>{host} へのリクエストが多すぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The repository was not found</source>
            <translation>リポジトリが見つかりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}: there is no repository with this name.</source>
            <translation>{host} の応答は {status} です。その名前のリポジトリはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Check the owner and repository, including upper and lower case. A private repository needs an access token: powerinfer-tray key set {host}</source>
            <translation>所有者とリポジトリを確認してください。大文字と小文字は区別されます。非公開の場合はアクセストークンが必要です: powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The revision was not found</source>
            <translation>リビジョンが見つかりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}: no branch, tag or commit has this name.</source>
            <translation>{host} が {status} を返しました。この名前のブランチ、タグ、コミットはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Leave out the revision to use the main branch: hf:owner/repository</source>
            <translation>リビジョンを省くと main ブランチになります: hf:owner/repository</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The proxy blocked the connection</source>
            <translation>プロキシが接続を拒否しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>It answered {status} for {host}.</source>
            <translation>{host} への接続に対する応答は {status} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Ask your network administrator, or download from another server.</source>
            <translation>ネットワーク管理者に問い合わせるか、別のサーバーからダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The proxy requires a login</source>
            <translation>プロキシが認証を要求しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The proxy between this computer and {host} answered 407: you need to sign in.</source>
            <translation>このコンピューターと {host} の間のプロキシが 407 を返しました。認証が必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Set HTTP_PROXY and HTTPS_PROXY to http://USER:PASSWORD@PROXY:PORT and restart this app. In the password, write @ as %40 and : as %3A. If they already contain a login, it is wrong.</source>
            <translation>HTTP_PROXY と HTTPS_PROXY を http://USER:PASSWORD@PROXY:PORT の形式で設定し、このアプリを再起動してください。パスワードの @ は %40、: は %3A と書きます。すでに認証情報が含まれている場合は、それが正しくありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}: {reason}</source>
            <translation>{host} の応答 {status}: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>access to the file is restricted</source>
            <translation>ファイルへのアクセスは制限されています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Open the model's page on {host}, sign in and accept the terms. Then enter an access token in the settings under “Downloads”, or run: powerinfer-tray key set {host}</source>
            <translation>{host} でモデルのページを開き、サインインして利用条件に同意してください。その後、設定の「ダウンロード」または powerinfer-tray key set {host} でアクセストークンを入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Open the model's page on {host}, sign in and accept the terms. Then save an access token: powerinfer-tray key set {host}</source>
            <translation>{host} でモデルのページを開き、サインインして利用条件に同意してください。その後、アクセストークンを保存します: powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>There is no GGUF model in {repository}</source>
            <translation>{repository} に GGUF モデルがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>This app uses models in the GGUF format.</source>
            <translation>このアプリは GGUF 形式のモデルを使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>On Hugging Face, look for a repository of this model with GGUF in its name.</source>
            <translation>Hugging Face で、このモデルのリポジトリのうち名前に GGUF を含むものを探してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>The files of {repository} could not be listed</source>
            <translation>{repository} のファイルの一覧を取得できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>{site} did not send a list of files.</source>
            <translation>{site} の応答はファイルの一覧ではありませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>Enter the URL of the file itself.</source>
            <translation>ファイル自体の URL を入力してください。</translation>
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
            <source>It contains: {names}.</source>
            <translation>含まれているもの: {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>Choose one of them: {example}</source>
            <translation>次のように 1 つを指定してください: {example}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server sent a compressed file</source>
            <translation>サーバーが圧縮されたファイルを送信しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The app cannot use it.</source>
            <translation>このアプリでは使用できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>Try another server.</source>
            <translation>別のサーバーを試してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server sent a different part of the file than requested.</source>
            <translation>サーバーが、要求した部分とは異なる部分を送信しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server first reported a size of {first} bytes, then {second}.</source>
            <translation>サーバーが通知したサイズが {first} バイトから {second} バイトに変わりました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The download could not be checked</source>
            <translation>ダウンロードを確認できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server gives neither the size nor the SHA-256 of the file, so an incomplete file would go unnoticed.</source>
            <translation>サーバーがファイルのサイズも SHA-256 も示さないため、不完全なファイルでも気付くことができません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>Use another server, or enter the SHA-256.</source>
            <translation>別のサーバーを使用するか、SHA-256 を入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server is sending almost no data.</source>
            <translation>サーバーからほとんどデータが届きません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>Too many redirects</source>
            <translation>リダイレクトが多すぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host} keeps redirecting to another URL.</source>
            <translation>{host} が別の URL へのリダイレクトを繰り返しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The server redirects to an insecure connection</source>
            <translation>サーバーが安全でない接続にリダイレクトしています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host} uses https but redirects to {target}, where others could read and change the download.</source>
            <translation>{host} は https ですが、{target} にリダイレクトしています。そこでは、ダウンロードの内容を第三者に読まれたり変更されたりするおそれがあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>If you trust that connection, enter that URL directly.</source>
            <translation>その接続を信頼できる場合は、その URL を直接入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>it is too long or contains characters that are not allowed in a URL</source>
            <translation>長すぎるか、URL では使えない文字が含まれています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The server redirects to an invalid URL</source>
            <translation>サーバーが無効な URL にリダイレクトしています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host}: {reason}.</source>
            <translation>{host}: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The server redirects to a private network</source>
            <translation>サーバーがプライベートネットワークにリダイレクトしています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{sender} is on the internet but redirects to {host} ({address}), which is on this computer or in its local network.</source>
            <translation>{sender} はインターネット上のサーバーですが、このコンピューターまたはローカルネットワークにある {host} ({address}) にリダイレクトしています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>If you trust it, enter that URL directly.</source>
            <translation>信頼できる場合は、その URL を直接入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The proxy cannot be used</source>
            <translation>プロキシを使用できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{proxy} is not a valid HTTP proxy address (http://host:port).</source>
            <translation>{proxy} は HTTP プロキシのアドレス (http://host:port) ではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>What was downloaded is kept. Free some space and choose Resume, or choose another models folder.</source>
            <translation>ダウンロード済みの部分は保存されています。空き容量を増やして［再開］を押すか、別のモデルフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>The server is sending more data than the model should have</source>
            <translation>サーバーが、モデルのサイズを超えるデータを送信しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>According to its header, the model has {size:.2f} GB, but {received:.2f} GB have been received.</source>
            <translation>ヘッダーによるとモデルは {size:.2f} GB ですが、{received:.2f} GB を受信しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>Use another server.</source>
            <translation>別のサーバーを使用してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>The URL does not name a file</source>
            <translation>URL がファイルを指していません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>{repository} is a repository, which can contain many files.</source>
            <translation>{repository} はリポジトリで、多数のファイルを含むことがあります。</translation>
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
            <source>“{text}” should be 64 characters: 0 to 9 and a to f.</source>
            <translation>「{text}」は 0～9 と a～f の 64 文字である必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>The server does not give a valid file size</source>
            <translation>サーバーが有効なファイルサイズを示していません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>It sent “{header}: {text}”, which is not a number.</source>
            <translation>「{header}: {text}」が送られましたが、数値ではありません。</translation>
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
            <source>The URL leads to a web page, not a file</source>
            <translation>この URL はファイルではなく Web ページです</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The server sent HTML: perhaps a sign-in page, a Wi-Fi login, or a page about the file.</source>
            <translation>サーバーから HTML が届きました。サインインページ、Wi-Fi のログイン画面、またはファイルの説明ページの可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Open the URL in a browser, then copy the link of the download button.</source>
            <translation>URL をブラウザーで開き、ダウンロードボタンのリンクをコピーしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The URL leads to a pointer, not the file</source>
            <translation>この URL はファイルではなくポインターです</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The server has only a Git LFS pointer of 130 bytes here.</source>
            <translation>サーバーのこの場所には、130 バイトの Git LFS ポインターしかありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Use the link of the download button, which contains /resolve/.</source>
            <translation>ダウンロードボタンのリンク (/resolve/ を含むもの) を使用してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>This is not a model file</source>
            <translation>これはモデルファイルではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>It does not start with GGUF or PWRI, as every model for this app does.</source>
            <translation>このアプリ用のモデルは必ず GGUF または PWRI で始まりますが、このファイルはどちらでもありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Choose a file whose name ends in .gguf or .powerinfer.gguf.</source>
            <translation>末尾が .gguf または .powerinfer.gguf のファイルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The file is damaged or is not the expected one</source>
            <translation>ファイルが破損しているか、想定したファイルではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Its SHA-256 is {actual}, but should be {expected}.</source>
            <translation>SHA-256 は {expected} であるはずですが、{actual} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Download it again. If that does not help, the server has a different file.</source>
            <translation>もう一度ダウンロードしてください。解決しない場合は、サーバーのファイルが異なっています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>{message} The downloaded data is now in {name}.</source>
            <translation>{message} ダウンロードしたデータは {name} にあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server sent the whole file instead of a part.</source>
            <translation>サーバーが、一部分ではなくファイル全体を送信しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The file size differs from what the server announced</source>
            <translation>ファイルサイズが、サーバーが示したサイズと異なります</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server sent more than the {count} bytes of the file.</source>
            <translation>サーバーから、ファイルの {count} バイトを超えるデータが届きました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>Try again, or use another server.</source>
            <translation>もう一度試すか、別のサーバーを使用してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server stopped at byte {at} instead of {end}.</source>
            <translation>サーバーが {end} バイト目より前の {at} バイト目で停止しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/admission.py" />
            <source>It needs {needed:.2f} GiB, but the limit for all models together is {budget:.2f} GiB.</source>
            <translation>{needed:.2f} GiB が必要ですが、全モデルの合計の上限は {budget:.2f} GiB です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/admission.py" />
            <source>Choose a smaller model or context size, or raise the memory limit: powerinfer-tray settings set memory_budget GIB</source>
            <translation>より小さいモデルかコンテキストサイズを選択するか、メモリの上限を上げてください: powerinfer-tray settings set memory_budget GIB</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/admission.py" />
            <source>{numbers} Models that are kept loaded leave {free:.2f} GiB of this, so these would have to be unloaded: {models}.</source>
            <translation>{numbers}このうち、読み込んだままにするモデルを除いた残りは {free:.2f} GiB です。アンロードが必要なモデル: {models}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/admission.py" />
            <source>Unload one of them: powerinfer-tray unload {model}</source>
            <translation>いずれかをアンロードしてください: powerinfer-tray unload {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/admission.py" />
            <source>{name} does not fit in the memory for models</source>
            <translation>{name} はモデル用のメモリに収まりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It contains more than {count:,} files.</source>
            <translation>{count:,} 個を超えるファイルが含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It contains more than {size:,} bytes.</source>
            <translation>内容が {size:,} バイトを超えています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>Its contents are {times} times its own size.</source>
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
            <source>“{name}” is incomplete.</source>
            <translation>「{name}」は不完全です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It refers to a file that does not come before it in the archive.</source>
            <translation>アーカイブ内でそれより前にないファイルを指しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>This name already exists.</source>
            <translation>同じ名前のものがすでにあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_downloads.py" />
            <source>{name} has {size:,} bytes on the server but should have {expected:,}.</source>
            <translation>サーバー上の {name} は {size:,} バイトですが、本来は {expected:,} バイトです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>It is neither a file nor a folder.</source>
            <translation>ファイルでもフォルダーでもありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>It is a link that does not lead to a file in the archive.</source>
            <translation>リンクですが、アーカイブ内のファイルを指していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>{name} is protected by a password</source>
            <translation>{name} はパスワードで保護されています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Its contents cannot be read without the password.</source>
            <translation>パスワードなしでは内容を読み取れません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Unpack it yourself and choose the folder.</source>
            <translation>ご自身で展開し、そのフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>{name} could not be unpacked</source>
            <translation>{name} を展開できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>It is damaged, incomplete or not an archive: {why}</source>
            <translation>破損しているか、不完全か、アーカイブではありません: {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Download or copy it again. Engines come as .zip or .tar.gz, or as a folder.</source>
            <translation>もう一度ダウンロードまたはコピーしてください。エンジンは .zip、.tar.gz、またはフォルダーです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>{name} is too large for an engine</source>
            <translation>{name} の内容はエンジンとしては大きすぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Nothing was kept. Download the engine from its publisher. Published engines are smaller.</source>
            <translation>何も保存していません。公開元からエンジンをダウンロードしてください。公開されているエンジンはもっと小さいものです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It leads out of its folder.</source>
            <translation>フォルダーの外を指しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>Part of its path is empty.</source>
            <translation>パスの一部が空です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It is too long.</source>
            <translation>長すぎます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It contains characters that not every system allows.</source>
            <translation>すべてのシステムで使えるとは限らない文字が含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It starts or ends with characters that Windows ignores.</source>
            <translation>Windows が無視する文字で始まるか終わっています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>Windows reserves this name for a device.</source>
            <translation>Windows のデバイス用に予約された名前です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It is an absolute path.</source>
            <translation>絶対パスです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It has too many nested folders.</source>
            <translation>フォルダーの階層が深すぎます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>On some systems, it has the same name as {other}.</source>
            <translation>システムによっては {other} と同じ名前になります。</translation>
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
            <source>Nothing was kept. Download the engine from its publisher.</source>
            <translation>何も保存していません。公開元からエンジンをダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The built-in engine already uses the Apple silicon graphics (Metal), so there is nothing to install.</source>
            <translation>内蔵エンジンは Apple シリコンのグラフィックス (Metal) をすでに使用しています。インストールするものはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It is no faster on this processor than the built-in engine.</source>
            <translation>このプロセッサーでは、内蔵エンジンより速くなりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>No available engine is faster on this computer than the built-in one.</source>
            <translation>このコンピューターでは、内蔵エンジンより速いエンジンはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It needs an NVIDIA graphics card.</source>
            <translation>NVIDIA のグラフィックカードが必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The NVIDIA driver for your {card} is missing or not responding. Download it from nvidia.com/drivers.</source>
            <translation>お使いの {card} 用の NVIDIA ドライバーがないか、応答していません。nvidia.com/drivers からダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} is too old for CUDA {cuda}. Its compute capability is {compute}, but {oldest} is required.</source>
            <translation>お使いの {card} は CUDA {cuda} には古すぎます。Compute Capability は {compute} ですが、{oldest} が必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} has driver {driver}, but CUDA {cuda} needs {oldest} or newer. Download it from nvidia.com/drivers.</source>
            <translation>お使いの {card} のドライバーは {driver} ですが、CUDA {cuda} には {oldest} 以降が必要です。nvidia.com/drivers からダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} needs a driver for CUDA {cuda} or newer, but yours is for {known}. Download one from nvidia.com/drivers.</source>
            <translation>お使いの {card} には CUDA {cuda} 以降に対応したドライバーが必要ですが、現在のものは {known} 用です。nvidia.com/drivers からダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Vulkan works with more AMD cards and is a much smaller download.</source>
            <translation>Vulkan はより多くの AMD カードで動作し、ダウンロードもずっと小さくて済みます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It needs an AMD graphics card.</source>
            <translation>AMD のグラフィックカードが必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It needs a graphics card.</source>
            <translation>グラフィックカードが必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Vulkan is missing for your {card}. The latest driver includes it.</source>
            <translation>お使いの {card} 用の Vulkan がありません。最新のドライバーに含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Vulkan is missing for your {card}. Install the packages libvulkan1 and mesa-vulkan-drivers, or vulkan-loader on Fedora.</source>
            <translation>お使いの {card} 用の Vulkan がありません。パッケージ libvulkan1 と mesa-vulkan-drivers (Fedora では vulkan-loader) をインストールしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The available engines need the GNU C library, which this Linux does not have.</source>
            <translation>利用できるエンジンには GNU C ライブラリが必要ですが、この Linux にはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} needs a newer Linux with GNU C library {needed}. This one has {version}.</source>
            <translation>{build} には GNU C ライブラリ {needed} を備えた新しい Linux が必要です。この Linux は {version} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} was tested and does not work on this computer: {why}.</source>
            <translation>{build} をテストしましたが、このコンピューターでは動作しません: {why}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>There is no built-in engine made for Windows on ARM</source>
            <translation>ARM 版 Windows 用に作られた内蔵エンジンはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The built-in engine works on all ARM processors but does not use everything yours can do</source>
            <translation>内蔵エンジンはすべての ARM プロセッサー向けで、お使いのプロセッサーの機能を活かしていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>There is no built-in engine for Intel Macs</source>
            <translation>Intel Mac 用の内蔵エンジンはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The built-in engine does not run on your processor, which lacks AVX2</source>
            <translation>お使いのプロセッサーには AVX2 がないため、内蔵エンジンは動作しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your processor supports {extensions}, which the built-in engine does not use</source>
            <translation>お使いのプロセッサーは {extensions} に対応していますが、内蔵エンジンはこれを使用しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} does the same job.</source>
            <translation>{build} が同じ役割を果たします。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It does not use a graphics card.</source>
            <translation>グラフィックカードを使いません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is faster.</source>
            <translation>{build} のほうが高速です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is installed and uses your {card}.</source>
            <translation>{build} がインストール済みで、お使いの {card} を使っています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is installed and made for your processor.</source>
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
            <source>No NVIDIA, AMD or Intel graphics card was found.</source>
            <translation>NVIDIA、AMD、Intel のグラフィックカードが見つかりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>For now, Vulkan can use your {card}: {build}, {cost}.</source>
            <translation>当面は Vulkan で {card} を使用できます: {build}、{cost}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} is part of the processor and shares its memory, so it can be faster or slower than the processor alone. To try it: {build}, {cost}.</source>
            <translation>お使いの {card} はプロセッサーの一部でメモリを共有するため、プロセッサーだけの場合より速いことも遅いこともあります。試すには: {build}、{cost}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Use your {card} instead of the processor's {other}: {build}, {cost}.</source>
            <translation>プロセッサーの {other} ではなく {card} を使います: {build}、{cost}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Use your {card}: {build}, {cost}.</source>
            <translation>お使いの {card} を使います: {build}、{cost}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>No engine was found in {name}</source>
            <translation>{name} にエンジンが見つかりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>It does not contain a program called {names}.</source>
            <translation>{names} という名前のプログラムがありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>Choose an archive or folder that was built for {system}.</source>
            <translation>{system} 用にビルドされたアーカイブまたはフォルダーを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>{name} contains more than an engine</source>
            <translation>{name} にはエンジン以外のものも入っています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>Choose the folder that contains only the engine's program and its files.</source>
            <translation>エンジンのプログラムとそのファイルだけが入っているフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>Check that it exists and that you have permission to read it.</source>
            <translation>存在すること、読み取りが許可されていることを確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installation.py" />
            <source>Canceled</source>
            <translation>キャンセルしました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} is a different link</source>
            <translation>{file} は別のリンクです</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} was added</source>
            <translation>{file} が追加されました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} was changed</source>
            <translation>{file} が変更されました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} is missing</source>
            <translation>{file} がありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>If you have set “Engine download address”, check it or leave it empty. Otherwise, install a newer version of this app.</source>
            <translation>「エンジンのダウンロード元」を設定している場合は、確認するか空にしてください。そうでない場合は、このアプリの新しいバージョンをインストールしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>Another engine is being installed</source>
            <translation>別のエンジンをインストールしています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>{id} is being installed now.</source>
            <translation>{id} をインストール中です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>Wait until it has finished, or cancel it: powerinfer-tray engines remove {id}</source>
            <translation>インストールが終わるまで待つか、中止してください: powerinfer-tray engines remove {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>The installation failed unexpectedly</source>
            <translation>インストールが予期せず失敗しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>{id} is listed twice for {system} ({machine}).</source>
            <translation>{system} ({machine}) 用の {id} が 2 つあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>The list of available engines could not be read</source>
            <translation>利用できるエンジンの一覧を読み込めませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>{path}: {why}</source>
            <translation>{path}: {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>Reinstall the app or fix the file.</source>
            <translation>アプリを再インストールするか、ファイルを修正してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Install or update the NVIDIA driver, or choose an engine for the processor.</source>
            <translation>NVIDIA のドライバーをインストールまたは更新するか、プロセッサー用のエンジンを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Install the AMD driver, or choose an engine for the processor.</source>
            <translation>AMD のドライバーをインストールするか、プロセッサー用のエンジンを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Install the driver from the card's manufacturer, or choose an engine for the processor.</source>
            <translation>グラフィックカードのメーカーのドライバーをインストールするか、プロセッサー用のエンジンを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>{name} did not find a graphics card</source>
            <translation>{name} がグラフィックカードを見つけられません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>It needs a graphics card that works with {back_end}. There is none, or its driver is missing or too old.</source>
            <translation>{back_end} に対応したグラフィックカードが必要です。カードがないか、ドライバーがないか古すぎます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>{name} gives wrong results on this computer</source>
            <translation>{name} はこのコンピューターで正しい結果を返しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Choose another engine. The built-in one still works.</source>
            <translation>別のエンジンを選択してください。内蔵エンジンはこれまでどおり使えます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store.py" />
            <source>It would be larger than {size:,} bytes.</source>
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
            <source>No engine with this name is installed.</source>
            <translation>この名前のエンジンはインストールされていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engine “{id}” cannot be used</source>
            <translation>エンジン「{id}」は使用できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Its installation record is missing or damaged: {why}</source>
            <translation>インストール時の記録がないか、破損しています: {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Reinstall it, or remove it: powerinfer-tray engines remove {id}</source>
            <translation>もう一度インストールするか、削除してください: powerinfer-tray engines remove {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Reinstall it: powerinfer-tray engines install {id}</source>
            <translation>もう一度インストールしてください: powerinfer-tray engines install {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Reinstall it from {path}</source>
            <translation>{path} からもう一度インストールしてください</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engine “{id}” has changed since it was installed</source>
            <translation>エンジン「{id}」はインストール後に変更されています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{changes}. An antivirus program may have removed or replaced files. The engine was not started.</source>
            <translation>{changes}。ウイルス対策ソフトがファイルを削除または置き換えた可能性があります。エンジンは起動していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{told} and {count} more</source>
            <translation>{told}、ほか {count} 件</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{again}. If it happens again, exclude its folder in your antivirus program.</source>
            <translation>{again}。繰り返す場合は、ウイルス対策ソフトでそのフォルダーを除外してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Its files are in use by the engine itself or by another program.</source>
            <translation>ファイルがエンジン自体または別のプログラムに使用されています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Stop the server and try again.</source>
            <translation>サーバーを停止して、もう一度お試しください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engines folder could not be read</source>
            <translation>エンジンのフォルダーを読み取れません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Could not write to the engines folder</source>
            <translation>エンジンのフォルダーに書き込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Another program is changing the engines</source>
            <translation>別のプログラムがエンジンを変更しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>It has locked {folder}.</source>
            <translation>{folder} をロックしています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Try again when it has finished. If that does not help, quit the other PowerInfer Tray.</source>
            <translation>終了してからもう一度お試しください。続く場合は、もう一方の PowerInfer Tray を終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engine “{id}” could not be saved</source>
            <translation>エンジン「{id}」を保存できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The list of its files could not be written: {why}</source>
            <translation>ファイルの一覧を書き込めません: {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Rename its files and folders, using only letters and digits.</source>
            <translation>ファイルとフォルダーの名前を、文字と数字だけに変更してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} for {cards} ({back_end})</source>
            <translation>{engine}({cards} 用、{back_end})</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} {release} for {cards} ({back_end})</source>
            <translation>{engine} {release} ({cards} 用、{back_end})</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{sizes} from {place}, license: {terms}</source>
            <translation>{place} から {sizes}、ライセンス: {terms}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{size:.0f} MB</source>
            <translation>{size:.0f} MB</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>Without an internet connection: download {name} from {address} on another computer, copy it to this one, and choose it with “From a File…” or run: powerinfer-tray engines install {name}</source>
            <translation>インターネットに接続できない場合: 別のコンピューターで {address} から {name} をダウンロードし、このコンピューターにコピーして、「ファイルから…」で選択するか、次のコマンドを実行してください: powerinfer-tray engines install {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>Without an internet connection: download {names} from {address} on another computer, copy them to one folder on this one, and choose it with “From a Folder…” or run: powerinfer-tray engines install FOLDER</source>
            <translation>インターネットに接続できない場合: 別のコンピューターで {address} から {names} をダウンロードし、このコンピューターの 1 つのフォルダーにコピーして、「フォルダーから…」で選択するか、次のコマンドを実行してください: powerinfer-tray engines install フォルダー</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used because it is chosen in the setting “Engine”.</source>
            <translation>設定「エンジン」で選択されているため、{engine} を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used because no other engine on this computer can run this model.</source>
            <translation>このコンピューターのほかのエンジンではこのモデルを実行できないため、{engine} を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used because it is the fastest one that is installed and tested.</source>
            <translation>インストールされテスト済みのエンジンの中で最も速いため、{engine} を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used because it is {speed:.1f} times as fast as the built-in engine.</source>
            <translation>内蔵エンジンの {speed:.1f} 倍の速さのため、{engine} を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used because there is no built-in engine for this computer.</source>
            <translation>このコンピューター用の内蔵エンジンがないため、{engine} を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used.</source>
            <translation>{engine} を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used because no faster engine is installed.</source>
            <translation>より速いエンジンがインストールされていないため、{engine} を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{build} is not used: {reason}</source>
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
            <source>Apple silicon</source>
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
            <source>A server on another computer</source>
            <translation>別のコンピューター上のサーバー</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install PowerInfer's server and enter its path under “Engine” in the settings, or choose a regular GGUF model.</source>
            <translation>PowerInfer サーバーをインストールして設定の「エンジン」にパスを指定するか、通常の GGUF モデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>This model needs the PowerInfer engine</source>
            <translation>このモデルには PowerInfer エンジンが必要です</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>It is a sparse model, but the chosen engine is {kind}.</source>
            <translation>スパースモデルですが、選択されているエンジンは {kind} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Set “Engine” to auto or to the path of a PowerInfer server.</source>
            <translation>「エンジン」を auto にするか、PowerInfer サーバーのパスを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>It has not been measured to be faster than the built-in engine.</source>
            <translation>測定では、内蔵エンジンより速くありませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>The chosen engine is a server on another computer</source>
            <translation>選択されているエンジンは別のコンピューター上のサーバーです</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>It runs its own models, not the ones on this computer.</source>
            <translation>そのサーバー自身のモデルを実行し、このコンピューターのモデルは実行しません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>To run models on this computer, set “Engine” to auto.</source>
            <translation>このコンピューターでモデルを実行するには、「エンジン」を auto にしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>llama-server was not found</source>
            <translation>llama-server が見つかりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>No folder on the PATH contains a program with this name.</source>
            <translation>PATH のどのフォルダーにも、その名前のプログラムがありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install llama.cpp's llama-server, or enter its full path under “Engine” in the settings.</source>
            <translation>llama.cpp の llama-server をインストールするか、設定の「エンジン」にそのフルパスを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>The engine {name} is not installed</source>
            <translation>エンジン {name} はインストールされていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>No version for {back_end} is installed.</source>
            <translation>{back_end} 用のバージョンがインストールされていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install one with: powerinfer-tray engines install ID. To list the available engines, run: powerinfer-tray engines list. Or set “Engine” to auto.</source>
            <translation>インストール: powerinfer-tray engines install ID。利用できるエンジンの一覧: powerinfer-tray engines list。または「エンジン」を auto にしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>No PowerInfer engine was found</source>
            <translation>PowerInfer エンジンが見つかりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>There is none in the settings, in this app or on the PATH.</source>
            <translation>設定にもアプリの付属にも PATH にも見つかりませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>No llama.cpp engine was found</source>
            <translation>llama.cpp エンジンが見つかりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>There is no built-in engine for this kind of computer.</source>
            <translation>この種類のコンピューター用の内蔵エンジンはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install llama.cpp's llama-server and enter its path under “Engine” in the settings.</source>
            <translation>llama.cpp の llama-server をインストールし、設定の「エンジン」にパスを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The system cannot start the engine right now</source>
            <translation>現在、システムがエンジンを起動できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It says: {reason}.</source>
            <translation>メッセージ: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The app will try again. If this continues, close other programs.</source>
            <translation>再試行します。続く場合は、他のプログラムを終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine could not be started</source>
            <translation>エンジンを起動できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>Or set “Engine” to auto, so that another engine is used when this one fails.</source>
            <translation>または「エンジン」を auto にすると、失敗したときに別のエンジンが使用されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>{hint} {other}</source>
            <translation>{hint}{other}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine is not responding</source>
            <translation>エンジンが応答しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It has not worked on any request for {seconds:.0f} seconds.</source>
            <translation>{seconds:.0f} 秒間、どのリクエストも処理していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>If it happens again, choose another model or engine.</source>
            <translation>繰り返す場合は、別のモデルまたはエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>This model file makes the engine use too many resources</source>
            <translation>このモデルのファイルはエンジンに過大な負荷をかけます</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The chat template in the file may be the cause. Choose another model, or download this one from its publisher.</source>
            <translation>ファイル内のチャットテンプレートが原因の可能性があります。別のモデルを選択するか、公開元からダウンロードし直してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>A request makes the engine use too many resources</source>
            <translation>リクエストがエンジンに過大な負荷をかけています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It has been busy for {seconds:.0f} seconds without working on a request.</source>
            <translation>リクエストを処理していないのに、{seconds:.0f} 秒間ビジー状態です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The chat template in the model file may be the cause. If it happens again, choose another model.</source>
            <translation>モデルのファイル内のチャットテンプレートが原因の可能性があります。再発する場合は、別のモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The model was read from {model}.</source>
            <translation>モデルは {model} から読み込まれていました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>When it is back, the server starts automatically. Or choose another model.</source>
            <translation>元に戻ると、サーバーは自動的に起動します。または別のモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>See the app's log.</source>
            <translation>アプリのログをご覧ください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>This is a bug in the app: {reason}</source>
            <translation>アプリの不具合です: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine stopped unexpectedly</source>
            <translation>エンジンが予期せず停止しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It stopped with {name}.</source>
            <translation>{name} で終了しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>See the engine's log for details.</source>
            <translation>詳細はエンジンのログにあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Download the model again, or choose another model.</source>
            <translation>モデルをもう一度ダウンロードするか、別のモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Reduce the context size, choose a smaller model, or close other programs.</source>
            <translation>コンテキストサイズを小さくするか、より小さいモデルを選択するか、ほかのプログラムを終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The system refused to run {named}.</source>
            <translation>システムが {named} の実行を拒否しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>If it is missing, an antivirus program may have removed it. Reinstall it, or choose another engine.</source>
            <translation>消えている場合は、ウイルス対策ソフトが削除した可能性があります。再インストールするか、別のものを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine's port was taken by another program</source>
            <translation>エンジンのポートが別のプログラムに使用されました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Another program took the free port before the engine could use it.</source>
            <translation>エンジン用に選んだ空きポートを、ほかのプログラムが先に使用しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The app restarts it on another port.</source>
            <translation>別のポートで起動し直します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>There is not enough memory, or there are too many processes or open files, or the program file is being written: {named}.</source>
            <translation>メモリ、プロセス数、または開けるファイル数が不足しているか、プログラムが書き込み中です: {named}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>There is not enough memory for this model</source>
            <translation>このモデルにはメモリが足りません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine needs more than this computer has available.</source>
            <translation>エンジンに必要なメモリを、このコンピューターで確保できませんでした。</translation>
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
            <source>The value is not valid or is missing.</source>
            <translation>値が無効か、指定されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct it in the settings. It may be in “Extra arguments”.</source>
            <translation>設定で修正してください。「追加の引数」に含まれている可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine aborted</source>
            <translation>エンジンが異常終了しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>An internal error occurred.</source>
            <translation>内部エラーが発生しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>See the last lines of its log. If it happens again, choose another model or engine.</source>
            <translation>詳細はログの最後の行をご覧ください。再発する場合は、別のモデルまたはエンジンを選択してください。</translation>
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
            <source>Remove it from “Extra arguments” in the settings, or correct its name.</source>
            <translation>設定の「追加の引数」から削除するか、名前を修正してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The built-in engine does not support the argument {named}</source>
            <translation>内蔵エンジンに引数 {named} はありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is an argument of llama-server that the built-in llama.cpp library does not support.</source>
            <translation>llama-server の引数ですが、内蔵の llama.cpp ライブラリは対応していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Remove it from “Extra arguments”, or set “Engine” to your own llama-server.</source>
            <translation>「追加の引数」から削除するか、「エンジン」に独自の llama-server を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot read the file or folder given with {named}</source>
            <translation>エンジンは {named} で指定されたファイルまたはフォルダーを読み込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It does not exist, or you do not have permission to read it.</source>
            <translation>存在しないか、読み取り権限がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct “Extra arguments” in the settings. Paths must be complete.</source>
            <translation>設定の「追加の引数」を修正してください。パスはフルパスで指定する必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot use the projector {named}</source>
            <translation>エンジンはプロジェクター {named} を使えません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was made for another model, or this engine does not support it.</source>
            <translation>別のモデル用に作られたものか、このエンジンが対応していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Set “Projector” of this model to the mmproj file made for it, or to none. It may also be in “Extra arguments”.</source>
            <translation>このモデルの「プロジェクター」に、このモデル用の mmproj ファイルか none を設定してください。「追加の引数」にある場合もあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot use the file {named}</source>
            <translation>エンジンはファイル {named} を使用できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is the wrong kind of file for this argument, or it was made for another model.</source>
            <translation>追加の引数に必要な種類のファイルではないか、別のモデル用に作られています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct “Extra arguments” in the settings.</source>
            <translation>設定の「追加の引数」を修正してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not accept the value of an argument</source>
            <translation>エンジンは引数の値を受け付けません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It needs a number but was given something else.</source>
            <translation>数値が必要ですが、数値以外が指定されています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine needs a newer system</source>
            <translation>エンジンにはより新しいシステムが必要です</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It needs {named}, which this system does not have.</source>
            <translation>必要な {named} がこのシステムにありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Use the built-in engine, or one that was built for this system or an older one.</source>
            <translation>内蔵エンジン、またはこのシステムかより古いシステム用にビルドされたエンジンを使用してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine needs a missing system library</source>
            <translation>エンジンに必要なシステムライブラリがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>{named} is not on this computer.</source>
            <translation>{named} がこのコンピューターにありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Install the package that contains it, or choose another engine in the settings.</source>
            <translation>それを含むパッケージをインストールするか、設定で別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Install the software that contains it, or choose another engine in the settings.</source>
            <translation>それを含むものをインストールするか、設定で別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine did not find an NVIDIA graphics card</source>
            <translation>エンジンが NVIDIA のグラフィックカードを検出できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was built for NVIDIA cards, but there is none, or its driver is missing or too old.</source>
            <translation>NVIDIA 用に作られたエンジンですが、カードがないか、ドライバーがないか古すぎます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose an engine that was built without CUDA, or install the NVIDIA driver.</source>
            <translation>CUDA を使用しないエンジンを選択するか、NVIDIA のドライバーをインストールしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This version of PowerInfer cannot run the model with one thread</source>
            <translation>このバージョンの PowerInfer は、1 スレッドではこのモデルを実行できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was built for graphics cards. When part of a sparse model is in main memory, it needs several threads and then gives wrong results.</source>
            <translation>グラフィックカード用にビルドされています。スパースモデルの一部がメインメモリにあると複数のスレッドが必要になり、その場合は誤った結果を返します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose a PowerInfer server that was built without CUDA, or a model that fits in graphics memory.</source>
            <translation>CUDA を使用しない PowerInfer サーバーを選択するか、グラフィックメモリに収まるモデルを選択してください。</translation>
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
            <source>It does not start like a GGUF file.</source>
            <translation>先頭が GGUF ファイルの形式ではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model file is missing</source>
            <translation>モデルファイルがなくなりました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>{named} does not exist.</source>
            <translation>{named} がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Put it back, or choose another model.</source>
            <translation>元に戻すか、別のモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model file is incomplete</source>
            <translation>モデルファイルが完全ではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The end of the file is missing.</source>
            <translation>ファイルの末尾が欠けています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not support “{named}” models</source>
            <translation>エンジンは「{named}」モデルに対応していません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine is too old for this architecture or was built without it.</source>
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
            <translation>このモデルにはグラフィックメモリが足りません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine needs more than the card has available. Other programs may be using some of it.</source>
            <translation>エンジンに必要なメモリをカードで確保できません。ほかのプログラムが一部を使用している可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Reduce “VRAM budget” or the context size, or close other programs that use the card.</source>
            <translation>「グラフィックメモリの上限」かコンテキストサイズを小さくするか、カードを使用しているほかのプログラムを終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not accept these settings</source>
            <translation>エンジンはこの設定では動作できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It says: {named}.</source>
            <translation>エンジンのメッセージ: {named}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct the settings. The cause may be in “Extra arguments”.</source>
            <translation>設定を修正してください。「追加の引数」に原因がある可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This engine does not run on this processor</source>
            <translation>このエンジンはこのプロセッサーでは動作しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It uses instructions that the processor does not have.</source>
            <translation>プロセッサーにない命令を使用しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose an engine that was built for older processors.</source>
            <translation>より古いプロセッサー向けのエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine crashed</source>
            <translation>エンジンがクラッシュしました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It accessed invalid memory. A damaged model file may be the cause.</source>
            <translation>無効なメモリにアクセスしました。モデルファイルの破損が原因の可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model can no longer be read</source>
            <translation>モデルを読み込めなくなりました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>While the engine was using it, its file was cut short or its drive was disconnected.</source>
            <translation>エンジンの使用中に、ファイルが切り詰められたか、ドライブが取り外されました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Reconnect the drive, or download the model again.</source>
            <translation>ドライブを接続し直すか、モデルをもう一度ダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine was stopped by another program</source>
            <translation>エンジンが別のプログラムによって停止されました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Another program stopped it, or the system did because it ran out of memory.</source>
            <translation>別のプログラムが終了させたか、メモリ不足のためシステムが終了させました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Ctrl-C was pressed, its window was closed, or the user logged off.</source>
            <translation>Ctrl-C が押されたか、ウィンドウが閉じられたか、ログオフされました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The app restarts it.</source>
            <translation>アプリが再起動します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>A DLL that it needs is missing or has the wrong version.</source>
            <translation>必要な DLL がないか、バージョンが異なります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Install the Microsoft Visual C++ runtime, or choose another engine in the settings.</source>
            <translation>Microsoft Visual C++ ランタイムをインストールするか、設定で別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This engine was built for another kind of computer</source>
            <translation>このエンジンは別の種類のコンピューター向けに作られています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine or a DLL that it needs does not work with this version of Windows.</source>
            <translation>エンジンまたは必要な DLL が、このバージョンの Windows では動作しません。</translation>
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
            <location filename="../../tray_app/engine/finding.py" />
            <source>The engine {name} did not find a graphics card</source>
            <translation>エンジン {name} はグラフィックカードを見つけられません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/finding.py" />
            <source>It does not list any card that it can use.</source>
            <translation>使用できるカードが一覧にありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/finding.py" />
            <source>Check that the card's driver works, or set “Engine” to auto.</source>
            <translation>カードのドライバーが動作しているか確認するか、「エンジン」を auto にしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/finding.py" />
            <source>{name} is not an engine</source>
            <translation>{name} はエンジンではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/finding.py" />
            <source>Its --help output does not look like that of a model server.</source>
            <translation>--help の出力がモデルサーバーのものではないようです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>PowerInfer gives wrong results for sparse models with several threads, so only one is used.</source>
            <translation>PowerInfer は複数のスレッドではスパースモデルの結果を誤るため、1 スレッドだけを使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>Only sparse models need several processes. This model uses several threads.</source>
            <translation>複数のプロセスが必要なのはスパースモデルだけです。このモデルは複数のスレッドを使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The remote server decides this.</source>
            <translation>リモートサーバーで決まります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The engine that runs this model does not have this option.</source>
            <translation>このモデルを実行するエンジンには、このオプションがありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>Apple silicon shares its memory with the graphics processor, so there is no limit to set.</source>
            <translation>Apple シリコンはメモリをグラフィックプロセッサーと共有するため、上限の設定は必要ありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>This computer has no NVIDIA graphics card that the engine can use.</source>
            <translation>このコンピューターには、エンジンが使用できる NVIDIA のグラフィックカードがありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The engine that runs this model does not support a graphics memory limit.</source>
            <translation>このモデルを実行するエンジンは、グラフィックメモリの上限に対応していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The engine that runs this model does not use a graphics card.</source>
            <translation>このモデルを実行するエンジンはグラフィックカードを使用しません。</translation>
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
            <source>{name} was built for another kind of computer</source>
            <translation>{name} は別の種類のコンピューター向けに作られています</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It runs on {system} ({machines}). This computer has {here} ({machine}).</source>
            <translation>{system} ({machines}) で動作しますが、このコンピューターは {here} ({machine}) です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>Download the version for {system} ({machine}), or choose another engine.</source>
            <translation>{system} ({machine}) 用のバージョンをダウンロードするか、別のエンジンを選択してください。</translation>
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
            <source>If you trust this engine, run: chmod +x '{path}'</source>
            <translation>信頼できるエンジンであれば、次を実行してください: chmod +x '{path}'</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It did not answer when asked for its options.</source>
            <translation>オプションを問い合わせても応答しませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>macOS blocked {name}</source>
            <translation>macOS が {name} をブロックしました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>macOS has quarantined it because it was downloaded.</source>
            <translation>ダウンロードされたファイルのため、macOS が隔離しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>If you trust it, run: xattr -d com.apple.quarantine '{path}'</source>
            <translation>信頼できる場合は、次を実行してください: xattr -d com.apple.quarantine '{path}'</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} is not a program</source>
            <translation>{name} はプログラムではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>The engine cannot open a file named {name}</source>
            <translation>エンジンは {name} という名前のファイルを開けません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>It accepts only names in UTF-8, and a link could not be created: {reason}.</source>
            <translation>エンジンは UTF-8 の名前しか扱えず、リンクも作成できません: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>Rename the file so that its name contains only valid characters.</source>
            <translation>正しい文字だけの名前にファイル名を変更してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>PowerInfer cannot open a file named {name}</source>
            <translation>PowerInfer は {name} という名前のファイルを開けません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>It accepts only ASCII names, and the file could not be given another name here: {reason}.</source>
            <translation>PowerInfer は ASCII の名前しか扱えず、ここでは別名も付けられませんでした: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>Rename the file using only the letters a to z and digits, or move it to an NTFS disk.</source>
            <translation>a～z の文字と数字だけの名前に変更するか、NTFS のディスクに移動してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>The remote server has no address</source>
            <translation>リモートサーバーのアドレスがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>“{url}” is not a server address.</source>
            <translation>「{url}」はサーバーのアドレスではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>The setting “Remote server address” is empty.</source>
            <translation>設定「リモートサーバーのアドレス」が空です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>Enter its base URL, such as http://192.168.1.20:8000/v1.</source>
            <translation>http://192.168.1.20:8000/v1 のように、ベース URL を入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>The remote server cannot be this app itself</source>
            <translation>このアプリ自身をリモートサーバーにすることはできません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>{url} is the address of this app.</source>
            <translation>{url} はこのアプリのアドレスです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>Enter the address of the other computer.</source>
            <translation>別のコンピューターのアドレスを入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/load_limits.py" />
            <source>It used {taken:.1f} GiB of memory while loading.</source>
            <translation>読み込み中に {taken:.1f} GiB のメモリを使用しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/load_limits.py" />
            <source>While loading, it was busy for {seconds:.0f} seconds without reading or printing anything.</source>
            <translation>読み込み中に {seconds:.0f} 秒間計算を続け、何も出力せず、何も読み取りませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Set “Context size” instead. It keeps requests within the engine's limits.</source>
            <translation>代わりに「コンテキストサイズ」を設定してください。リクエストがエンジンの限度内に収まります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Set “Model” instead.</source>
            <translation>代わりに「モデル」を設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine would download the model itself. Download it with this app and set “Model”.</source>
            <translation>エンジンが独自にモデルをダウンロードしてしまいます。このアプリでダウンロードし、「モデル」を設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Only this app connects to the engine. Other apps use the server's address.</source>
            <translation>エンジンに接続するのはこのアプリだけです。ほかのアプリはサーバーのアドレスを使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Only this app connects to the engine. To set a key for other apps, run: powerinfer-tray key set gateway</source>
            <translation>エンジンに接続するのはこのアプリだけです。ほかのアプリ用のキーを設定するには: powerinfer-tray key set gateway</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Only this app connects to the engine, and the engine runs nothing for web pages or models.</source>
            <translation>エンジンに接続するのはこのアプリだけで、Web ページやモデルのために何かを実行することはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine always provides both embeddings and text.</source>
            <translation>エンジンは常に埋め込みとテキストの両方に対応します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>This app sets it, because separate caches make the engine pool the texts of a list wrongly.</source>
            <translation>キャッシュを個別にするとエンジンがリスト内のテキストのプーリングを誤るため、このアプリが設定します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine uses its own free port. Apps use the port in the setting “Port”.</source>
            <translation>エンジンは専用の空きポートを使用します。アプリは設定「ポート」のポートを使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Comments in a stream make some apps fail.</source>
            <translation>ストリームにコメントがあると、一部のアプリが動作しなくなります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Set “Stop when idle” instead.</source>
            <translation>代わりに「アイドル時に停止」を設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>It makes the engine print something and exit.</source>
            <translation>これを付けると、エンジンは情報を表示するだけで終了します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>PowerInfer mixes up simultaneous requests and crashes.</source>
            <translation>PowerInfer は同時に処理するリクエストを混同し、クラッシュします。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>“Extra arguments” cannot contain {flag}</source>
            <translation>「追加の引数」に {flag} は指定できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Remove it.</source>
            <translation>削除してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>The model could not be loaded</source>
            <translation>モデルを読み込めませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>The engine cannot create embeddings with this model</source>
            <translation>エンジンはこのモデルで埋め込みを作成できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>The engine cannot rerank with this model</source>
            <translation>エンジンはこのモデルでランク付けを行えません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Choose another model or engine.</source>
            <translation>別のモデルまたは別のエンジンを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>It answered with HTTP status {status}.</source>
            <translation>HTTP ステータス {status} を返しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Its answer is not valid.</source>
            <translation>応答が無効です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Its answers contain values that are not numbers.</source>
            <translation>応答に数値ではない値が含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Its answers contain only zeros.</source>
            <translation>応答がすべてゼロです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server is no longer used</source>
            <translation>リモートサーバーは使用されなくなりました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server rejected the key</source>
            <translation>リモートサーバーがキーを拒否しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>{url} answered with HTTP status {status}.</source>
            <translation>{url} が HTTP ステータス {status} を返しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Enter the server's key in the settings under “Engine &amp; speed”, or run: powerinfer-tray key set remote</source>
            <translation>設定の「エンジンと速度」でサーバーのキーを入力するか、次のコマンドを実行してください: powerinfer-tray key set remote</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server has no models</source>
            <translation>リモートサーバーにモデルがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>{url}/models answered with HTTP status {status} but without a list of models.</source>
            <translation>{url}/models が HTTP ステータス {status} を返しましたが、モデルの一覧がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Check the address. It usually ends in /v1. If the server does not list its models, enter one under “Remote model”.</source>
            <translation>アドレスを確認してください。通常は /v1 で終わります。サーバーがモデルの一覧を返さない場合は、「リモートモデル」に入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server has no model “{model}”</source>
            <translation>リモートサーバーに「{model}」というモデルはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>It has {names}.</source>
            <translation>使用できるモデル: {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Choose one of these, or leave “Remote model” empty.</source>
            <translation>この中から選択するか、「リモートモデル」を空にしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server is not responding</source>
            <translation>リモートサーバーが応答しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>{url}: {reason}.</source>
            <translation>{url}: {reason}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Check that it is running and that this computer can reach it. The app keeps trying.</source>
            <translation>実行中であること、このコンピューターから接続できることを確認してください。アプリは接続を試み続けます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/supervisor.py" />
            <source>Monitoring of the engine failed</source>
            <translation>エンジンの監視が失敗しました</translation>
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
            <source>Another program answered instead. Nothing was sent to it.</source>
            <translation>別のプログラムが代わりに応答しましたが、何も送信していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>Restart PowerInfer Tray.</source>
            <translation>PowerInfer Tray を起動し直してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>The running app refused the command</source>
            <translation>実行中のアプリがコマンドを拒否しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It answered with status {status}.</source>
            <translation>ステータス {status} が返されました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>Version {version} is running</source>
            <translation>バージョン {version} が動作しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>A different version of PowerInfer Tray is running (PID {pid})</source>
            <translation>別のバージョンの PowerInfer Tray が実行中です (PID {pid})</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>{runs}, which does not support “{name}”. This command is from version {ours}.</source>
            <translation>{runs}。このバージョンは「{name}」に対応していません。このコマンドはバージョン {ours} のものです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>Restart the app: powerinfer-tray quit, then powerinfer-tray.</source>
            <translation>終了してから、もう一度起動してください: powerinfer-tray quit、続いて powerinfer-tray。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>PowerInfer Tray has quit</source>
            <translation>PowerInfer Tray は終了しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It was running (PID {pid}) but no longer responds.</source>
            <translation>動作していましたが (PID {pid})、応答しなくなりました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>What it was doing has stopped, too. Run the command again.</source>
            <translation>実行中だった処理も止まりました。コマンドをもう一度実行してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>PowerInfer Tray is running (PID {pid}) but not responding</source>
            <translation>PowerInfer Tray は実行中 (PID {pid}) ですが、応答しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It has not answered for {seconds:.0f} s.</source>
            <translation>{seconds:.0f} 秒間、応答がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It may be busy. Try again in a moment. If that does not help, end the process.</source>
            <translation>処理中の可能性があります。少し待ってからもう一度お試しください。それでも応答しない場合は、そのプロセスを終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>PowerInfer Tray cannot be reached</source>
            <translation>PowerInfer Tray に接続できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>{path} is locked, as when PowerInfer Tray is running, but it does not answer.</source>
            <translation>PowerInfer Tray の実行中と同じように {path} がロックされていますが、応答がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>If PowerInfer Tray is running, restart it. If not, delete this file.</source>
            <translation>PowerInfer Tray が実行中であれば、再起動してください。そうでなければ、このファイルを削除してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>The server did not answer in time</source>
            <translation>サーバーが時間内に応答しませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>{url} has not answered for {seconds:.0f} s.</source>
            <translation>{url} から {seconds:.0f} 秒間応答がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Try again later, or see its log.</source>
            <translation>後でもう一度試すか、サーバーのログを確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>The server did not answer</source>
            <translation>サーバーが応答しませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>There is no answer at {url}.</source>
            <translation>{url} から応答がありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Start the server, or see its log.</source>
            <translation>サーバーを起動するか、ログを確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Unexpected answer from the server</source>
            <translation>サーバーから予期しない応答がありました</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>It has status {status} and is not what this app expects.</source>
            <translation>ステータスは {status} で、このアプリの想定と異なります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>The answer was interrupted</source>
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
            <source>The conversation is too long for the model</source>
            <translation>会話がこのモデルには長すぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>It is kept. Start a new one, or continue from an earlier message.</source>
            <translation>会話は保存されています。新しい会話を始めるか、前のメッセージから続けてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>The model cannot use these pictures</source>
            <translation>モデルはこれらの画像を利用できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>Leave them out, or choose a model that can see.</source>
            <translation>画像を外すか、画像を見られるモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>This model cannot chat</source>
            <translation>このモデルはチャットに使えません</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>Part of the stream is not what this app expects.</source>
            <translation>ストリームのイベントがこのアプリの想定と異なります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It is the best one that fits.</source>
            <translation>収まるものの中で最良です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It is the only model here.</source>
            <translation>モデルはこれだけです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits but leaves little memory for other programs.</source>
            <translation>収まりますが、他のプログラムに残るメモリはわずかです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>No better one fits. With only {bits} bits per weight, answers get worse, so a smaller model may be better.</source>
            <translation>これより良いものは収まりません。重みあたり {bits} ビットしかないため、回答の質が下がります。より小さいモデルのほうが良い場合があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, loses little quality and answers about twice as fast as with 8 bits per weight.</source>
            <translation>メモリに収まり、品質の低下が少なく、重みあたり 8 ビットの約 2 倍の速さで応答します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, and with {bits} bits per weight its results are nearly exact.</source>
            <translation>収まり、重みあたり {bits} ビットで結果はほぼ正確です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, and a small model would lose a lot of quality with fewer than {bits} bits per weight.</source>
            <translation>メモリに収まります。小さいモデルは、重みあたり {bits} ビットより少ないと品質が大きく低下します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>From your own list.</source>
            <translation>独自のリストのモデルです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>The URL does not name a model</source>
            <translation>URL がモデルを指していません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>“{source}” does not contain the name of a .gguf file.</source>
            <translation>「{source}」からは .gguf ファイルの名前がわかりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>The model catalog could not be read</source>
            <translation>モデルのカタログを読み込めませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>{id}: {reason}</source>
            <translation>{id}: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>{id}: another model has the same {name}.</source>
            <translation>{id}: {name} を持つモデルがほかにあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>Your own list of models could not be used</source>
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
            <source>a supplementary file</source>
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
            <source>Download the file itself. On Hugging Face, its URL contains /resolve/ instead of /blob/.</source>
            <translation>ファイル本体をダウンロードしてください。Hugging Face では、その URL に /blob/ ではなく /resolve/ が含まれます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is only a Git LFS pointer, not the file itself.</source>
            <translation>Git LFS のポインターで、ファイル本体ではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Run “git lfs pull”, or download the file.</source>
            <translation>「git lfs pull」を実行するか、ダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It starts with {bytes} instead of GGUF or PWRI.</source>
            <translation>先頭が GGUF や PWRI ではなく {bytes} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>No model is chosen</source>
            <translation>モデルが選択されていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The server needs a model, but the setting “model” is empty.</source>
            <translation>サーバーにはモデルが必要ですが、設定「model」が空です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose one on the Models page, or try the built-in test model, which gives meaningless answers: powerinfer-tray serve --model test</source>
            <translation>「モデル」ページで選択するか、内蔵のテストモデル (回答に意味はありません) を試してください: powerinfer-tray serve --model test</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} does not exist</source>
            <translation>モデルファイル {name} は存在しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>There is no file at {path}.</source>
            <translation>{path} にファイルがありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose or download a model.</source>
            <translation>モデルを選択するかダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{name} already exists</source>
            <translation>{name} はすでにあります</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is in {folder} and was left unchanged.</source>
            <translation>{folder} にあり、変更していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Remove it, or rename one of the files.</source>
            <translation>削除するか、どちらかの名前を変更してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The folder {name} does not exist</source>
            <translation>{name} というフォルダーはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>A slash at the end stands for a folder, but a model is a file.</source>
            <translation>末尾のスラッシュはフォルダーを表しますが、モデルはファイルです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Remove the slash, or check the name.</source>
            <translation>スラッシュを取り除くか、名前を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} could not be read</source>
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
            <source>Its entry {key} has the unknown type {number:,}.</source>
            <translation>項目 {key} の型 {number:,} は不明です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It has {present:,} of {whole:,} bytes, so {missing:,} are missing.</source>
            <translation>{whole:,} バイトのうち {present:,} バイトしかなく、{missing:,} バイト足りません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{model} cannot have {projector} as its projector</source>
            <translation>{model} のプロジェクターとして {projector} は使えません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Set “Projector” of this model to its mmproj file, or to none.</source>
            <translation>このモデルの「プロジェクター」に、このモデルの mmproj ファイルか none を設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{name} is not a model by itself</source>
            <translation>{name} は単独ではモデルになりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is {kind}, which belongs to a model.</source>
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
            <source>It needs {need} of the {room} of available memory.</source>
            <translation>使用できるメモリ {room} のうち {need} が必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>It needs {need} of the {room} of available memory. Close other programs first.</source>
            <translation>使用できるメモリ {room} のうち {need} が必要です。先にほかのプログラムを終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>With a context size of {context} it needs {need}, but only {room} of memory is available. Try a context size of {smaller}.</source>
            <translation>コンテキストサイズ {context} では {need} 必要ですが、使用できるメモリは {room} だけです。コンテキストサイズを {smaller} にしてみてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>It needs {need}, but only {room} of memory is available. Try a smaller quantization or model.</source>
            <translation>{need} 必要ですが、使用できるメモリは {room} だけです。より小さい量子化またはモデルを試してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>Its weights alone need {weights}, but only {room} of memory is available. Try a smaller quantization or model.</source>
            <translation>重みだけで {weights} 必要ですが、使用できるメモリは {room} だけです。より小さい量子化またはモデルを試してください。</translation>
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
            <source>It does not give the model's architecture.</source>
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
            <source>Choose the model file in that folder.</source>
            <translation>そのフォルダーの中のモデルファイルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It is not a regular file.</source>
            <translation>通常のファイルではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its header claims to have {count:,} {what}.</source>
            <translation>ヘッダーに {count:,} {what}があると記述されています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>characters in one text</source>
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
            <source>{name} is for another kind of computer</source>
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
            <source>It uses version {version:,} of the GGUF format. This app supports versions 2 and 3.</source>
            <translation>GGUF 形式のバージョン {version:,} です。このアプリはバージョン 2 と 3 に対応しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Look for an update of this app or another file of the same model.</source>
            <translation>このアプリの更新、または同じモデルの別のファイルを探してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>The search for models failed</source>
            <translation>モデルを検索できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>{site} did not send a list of models.</source>
            <translation>{site} はモデルの一覧を返しませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>Try again later, or check the setting hf_endpoint.</source>
            <translation>後でもう一度試すか、設定 hf_endpoint を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>The search for models is not possible because {host} cannot be reached. Check your internet connection.</source>
            <translation>{host} に接続できないため、モデルを検索できません。インターネット接続を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>The server is sending far more data than a list needs.</source>
            <translation>サーバーが一覧としては多すぎるデータを送ってきます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>The server's list could not be loaded</source>
            <translation>サーバーの一覧を読み込めませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>Free some space, or link the model instead of copying it.</source>
            <translation>空き容量を増やすか、コピーせずにリンクしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>{name} could not be imported</source>
            <translation>{name} をインポートできませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>This disk cannot store such large files (FAT32: 4 GB). Choose a models folder on another disk, or link the model.</source>
            <translation>このディスクには、この大きさのファイルを保存できません (FAT32 は 4 GB まで)。別のディスクのモデルフォルダーを選択するか、リンクしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>Check that you have permission to write there. If links cannot be created, copy or move the model.</source>
            <translation>書き込み権限を確認してください。リンクを作成できない場合は、モデルをコピーまたは移動してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>Check the free space and that you have permission to write there.</source>
            <translation>空き容量と書き込み権限を確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/integrity.py" />
            <source>Its SHA-256 is now {actual} instead of {expected}.</source>
            <translation>SHA-256 は {expected} でしたが、{actual} になっています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>It is a different kind of file.</source>
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
            <source>Choose one of them by its ID.</source>
            <translation>ID で 1 つを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/outdated.py" />
            <source>It is not known where {name} came from.</source>
            <translation>{name} の入手元は不明です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/outdated.py" />
            <source>The server does not give versions of the file.</source>
            <translation>サーバーがファイルのバージョンを示していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Free some space, or choose another folder.</source>
            <translation>空き容量を増やすか、別のフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{name} could not be quantized</source>
            <translation>{name} を量子化できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{program} turned it into a different kind of model.</source>
            <translation>{program} が別の種類のモデルに変換しました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Use the program that comes with the model's engine.</source>
            <translation>モデルのエンジンに対応するプログラムを使用してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Check that the program can run and that you have permission to write there.</source>
            <translation>プログラムを実行できること、その場所に書き込めることを確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{name} cannot be quantized</source>
            <translation>{name} を量子化できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>It is not a single, complete model file.</source>
            <translation>単一の完全なモデルファイルではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Choose a model that is a single file.</source>
            <translation>単一ファイルのモデルを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Sparse models cannot be quantized to {type}.</source>
            <translation>スパースモデルは {type} に量子化できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Regular models cannot be quantized to {type}.</source>
            <translation>通常のモデルは {type} に量子化できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Choose one of: {names}</source>
            <translation>次の中から選択してください: {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>The folder {folder} does not exist.</source>
            <translation>{folder} というフォルダーはありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Create it, or choose another folder.</source>
            <translation>作成するか、別のフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{name} could not be written</source>
            <translation>{name} に書き込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Delete it if you do not need it and check that you have permission to write there, or choose another folder.</source>
            <translation>不要であれば削除し、書き込み権限を確認してください。または別のフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>The program stopped with {code}: {reason}</source>
            <translation>プログラムが {code} で終了しました: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>To change the quantization of a model, start from its F16 or F32 file.</source>
            <translation>モデルの量子化を変えるには、F16 または F32 のファイルから作成してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>it gave no reason.</source>
            <translation>理由は示されませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/recommend.py" />
            <source>Made for PowerInfer, which is installed on this computer.</source>
            <translation>このコンピューターにインストールされている PowerInfer 用のモデルです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/recommend.py" />
            <source>For embeddings in your language.</source>
            <translation>あなたの言語のテキストの埋め込みに適しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/recommend.py" />
            <source>For chats in your language, fast enough on this computer.</source>
            <translation>あなたの言語でのチャット用です。このコンピューターで十分な速さで動きます。</translation>
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
            <source>It is a URL, not a model on this computer.</source>
            <translation>これは URL で、このコンピューター上のモデルではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>There is no model {reference}</source>
            <translation>{reference} というモデルはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>{alias} is another name for this model, which is not installed.</source>
            <translation>{alias} はその別名ですが、そのモデルはインストールされていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>Download it, or give this name to another model.</source>
            <translation>ダウンロードするか、この名前を別のモデルに付けてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>Check the name, enter the path of a file, or download a model.</source>
            <translation>名前を確認するか、ファイルのパスを指定するか、モデルをダウンロードしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>For the file in the current folder, type ./{name}</source>
            <translation>現在のフォルダーのファイルを指定するには、次のように入力してください: ./{name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>It is neither a model in the catalog nor a file in {folder}.</source>
            <translation>カタログのモデルでも、{folder} のファイルでもありません。</translation>
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
            <source>According to its name, {name} is one of {count:,} files. The limit is {most:,}.</source>
            <translation>名前によると {name} は {count:,} 個のファイルの 1 つです。上限は {most:,} 個です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/remote_header.py" />
            <source>Download them with another program and put them all in the models folder.</source>
            <translation>別のプログラムでダウンロードし、すべてをモデルフォルダーに入れてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is a pipe.</source>
            <translation>これはパイプです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is a socket.</source>
            <translation>これはソケットです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is a device.</source>
            <translation>これはデバイスです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It does not start like a model.</source>
            <translation>先頭がモデルのものではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>Only models can be removed. To list them, run: powerinfer-tray models list</source>
            <translation>削除できるのはモデルだけです。一覧: powerinfer-tray models list</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>{name} could not be removed</source>
            <translation>{name} を削除できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>{name} was replaced in the meantime</source>
            <translation>{name} は確認後に置き換えられました</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is no longer the file that was checked, so it was not touched.</source>
            <translation>確認したファイルとは異なるため、何もしていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>Check the list of models and try again.</source>
            <translation>モデルの一覧を確認して、もう一度お試しください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/exporting.py" />
            <source>Texts cannot be exported as {kind}</source>
            <translation>テキストを {kind} として書き出すことはできません</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>The model of this collection has changed</source>
            <translation>このコレクションのモデルが変わりました</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>It was built with {model}, whose file or settings have changed, or which was removed.</source>
            <translation>{model} で作成されましたが、そのモデルのファイルか設定が変わったか、モデルが削除されました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>Rebuild the collection.</source>
            <translation>コレクションを再構築してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>Try another embedding model.</source>
            <translation>別の埋め込みモデルを試してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>The collection is full</source>
            <translation>コレクションがいっぱいです</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>The limit is {count} texts.</source>
            <translation>上限は {count} 件のテキストです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>Create another collection, or use a vector database.</source>
            <translation>別のコレクションを作成するか、ベクトルデータベースを使ってください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>page {number}</source>
            <translation>{number} ページ</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>line {number}</source>
            <translation>{number} 行</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>lines {first}–{last}</source>
            <translation>{first}–{last} 行</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>This collection was saved by a newer version of this app</source>
            <translation>このコレクションは新しいバージョンのアプリで保存されました</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>Update this app, or create a new collection.</source>
            <translation>このアプリを更新するか、新しいコレクションを作成してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>The collection could not be read</source>
            <translation>コレクションを読み取れませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>Delete it, then add your files to a new collection. The files themselves are unchanged.</source>
            <translation>削除してから、新しいコレクションにファイルを追加してください。ファイル自体は変更されていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Its text can be read only with the password.</source>
            <translation>テキストを読むにはパスワードが必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Save a copy without a password and add that.</source>
            <translation>パスワードなしのコピーを保存し、それを追加してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>{name} is encrypted</source>
            <translation>{name} は暗号化されています</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>This app does not support its encryption.</source>
            <translation>このアプリはその暗号化方式に対応していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Print it to a new PDF file and add that.</source>
            <translation>新しい PDF ファイルに印刷し、それを追加してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>It is damaged, or not a PDF file: {reason}</source>
            <translation>破損しているか、PDF ファイルではありません: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Open it in another app and save it again.</source>
            <translation>別のアプリで開き、保存し直してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>{name} has no text</source>
            <translation>{name} にはテキストがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Its pages are empty or scanned pictures.</source>
            <translation>ページが空か、スキャンした画像です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Run text recognition (OCR) on it first.</source>
            <translation>先に文字認識 (OCR) を行ってください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>{name} takes too much time or memory</source>
            <translation>{name} は時間またはメモリを使いすぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Reading was stopped. The file may be damaged.</source>
            <translation>読み取りを中止しました。ファイルが破損している可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Split it, or save its text as a .txt file.</source>
            <translation>分割するか、テキストを .txt ファイルとして保存してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>It is empty or contains no letters or digits.</source>
            <translation>空か、文字も数字も含まれていません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Its encoding is not UTF-8 and could not be recognized.</source>
            <translation>文字コードが UTF-8 ではなく、判別できませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Save it as UTF-8 text.</source>
            <translation>UTF-8 のテキストとして保存してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>{name} is not a supported file type</source>
            <translation>{name} は対応していない種類のファイルです</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Supported file types: {names}.</source>
            <translation>対応しているファイルの種類: {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Save its text as a .txt file and add that.</source>
            <translation>テキストを .txt ファイルとして保存し、それを追加してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>The limit for this file type is {count} MB.</source>
            <translation>この種類のファイルの上限は {count} MB です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Split it into smaller files.</source>
            <translation>小さなファイルに分割してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Too many files at a time</source>
            <translation>一度に追加するファイルが多すぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>The limit is {count} files at a time.</source>
            <translation>一度に追加できるのは {count} ファイルまでです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Choose a smaller folder.</source>
            <translation>もっと小さいフォルダーを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>There is no collection {name}</source>
            <translation>コレクション {name} はありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>It may have been deleted.</source>
            <translation>削除された可能性があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>Choose another collection.</source>
            <translation>別のコレクションを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>A name can have 1 to {most} characters.</source>
            <translation>名前は 1 から {most} 文字までです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>There is already a collection called “{name}”.</source>
            <translation>「{name}」というコレクションは既にあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>The collection is busy</source>
            <translation>コレクションは使用中です</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>Texts are being added to it.</source>
            <translation>テキストを追加しているところです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>Wait until that is done, or cancel it.</source>
            <translation>終わるまで待つか、キャンセルしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>The collection cannot have this name</source>
            <translation>コレクションにこの名前は付けられません</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>Choose another name.</source>
            <translation>別の名前を選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/writer.py" />
            <source>Free some space, then add the same files again. Texts already in the collection are kept.</source>
            <translation>空き容量を増やしてから、同じファイルをもう一度追加してください。既にコレクションにあるテキストはそのまま残ります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>{entry} must have 1 to {count} visible characters.</source>
            <translation>{entry} は 1～{count} 文字の表示可能な文字でなければなりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>{entry} contains a comma or semicolon, which separates names.</source>
            <translation>{entry} には名前の区切りであるコンマかセミコロンが含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>{entry} looks like a path, a URL or an option.</source>
            <translation>{entry} はパス、URL、またはオプションのように見えます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>A model cannot be named {entry}</source>
            <translation>モデルの名前を {entry} にはできません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>For example: gpt-4o-mini</source>
            <translation>例: gpt-4o-mini</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>The setting {name} has entries that it cannot have</source>
            <translation>設定 {name} に指定できない項目が含まれています</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be the full path of a folder, or empty for the usual one.</source>
            <translation>フォルダーのフルパスを指定してください。空にすると既定の場所になります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be one of: {choices}.</source>
            <translation>次のいずれかを指定してください: {choices}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be an https address, or an http address of this computer, or empty.</source>
            <translation>https のアドレス、このコンピューターの http のアドレス、または空欄でなければなりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be an http or https address.</source>
            <translation>http または https のアドレスでなければなりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be an http or https address, or empty.</source>
            <translation>http または https のアドレスであるか、空でなければなりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be a whole number from {minimum} to {maximum}.</source>
            <translation>{minimum} から {maximum} までの整数を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be a whole number from {minimum} to {maximum}, or "auto".</source>
            <translation>{minimum} から {maximum} までの整数、または "auto" を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be a number from {minimum} to {maximum}.</source>
            <translation>{minimum} から {maximum} までの数値を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be a number from {minimum} to {maximum}, or "auto".</source>
            <translation>{minimum} から {maximum} までの数値、または "auto" を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be true or false.</source>
            <translation>true または false を指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be a text without control characters.</source>
            <translation>制御文字を含まないテキストを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be a list of texts without control characters.</source>
            <translation>制御文字を含まないテキストのリストを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>The setting {name} cannot have a login or a key in its address</source>
            <translation>設定 {name} のアドレスにログイン情報やキーを含めることはできません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>Addresses are shown and logged, and no key is sent to this one.</source>
            <translation>アドレスは表示され、ログにも残ります。このアドレスにキーは送信されません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>Addresses are shown and logged; keys belong in the keychain: powerinfer-tray key set {key}</source>
            <translation>アドレスは表示され、ログにも記録されます。キーはキーチェーンに保存してください: powerinfer-tray key set {key}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>Leave out what stands before an @ and after a ?, and these signs.</source>
            <translation>@ より前と ? より後、およびこれらの記号を取り除いてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>The setting {name} cannot be {value}</source>
            <translation>設定 {name} に {value} は指定できません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>For example: {name} = {example}</source>
            <translation>例: {name} = {example}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>There is no setting {name}</source>
            <translation>{name} という設定はありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>Did you mean {name}?</source>
            <translation>{name} のことですか？</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>The settings are: {names}.</source>
            <translation>設定の一覧: {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>All settings with their values: powerinfer-tray settings show</source>
            <translation>すべての設定と値: powerinfer-tray settings show</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>API key</source>
            <translation>API キー</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>For apps on the local network</source>
            <translation>ローカルネットワークのアプリ用</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Apps on other computers must send it as their OpenAI API key.</source>
            <translation>ほかのコンピューターのアプリは、OpenAI の API キーとしてこれを送る必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>password, authentication, bearer</source>
            <translation>パスワード, 認証, トークン</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Remote server key</source>
            <translation>リモートサーバーのキー</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>The API key of the remote server</source>
            <translation>リモートサーバーの API キー</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>For the engine remote, if its server asks for a key.</source>
            <translation>エンジンが remote で、サーバーがキーを求める場合に使います。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Hugging Face token</source>
            <translation>Hugging Face トークン</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>For models with terms to accept</source>
            <translation>同意が必要なモデル用</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Some publishers want you to accept their terms first. The token is sent to huggingface.co only.</source>
            <translation>公開者によっては、先に利用条件への同意が必要です。トークンは huggingface.co にだけ送られます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>access token, gated, login, password</source>
            <translation>アクセストークン, ログイン, パスワード, 制限付き</translation>
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
            <source>This is not a valid key</source>
            <translation>有効なキーではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>A key consists of letters, digits and symbols, without spaces.</source>
            <translation>キーには空白を含まない文字、数字、記号を使用します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>This key is too easy to guess</source>
            <translation>このキーは推測されやすすぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Anyone on the local network can try keys, so use at least {count} characters without a pattern. “Generate” in the settings creates one.</source>
            <translation>ローカルネットワークの誰でもキーを試せるため、規則性のない {count} 文字以上にしてください。設定の「生成」で作成できます。</translation>
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
            <source>Run: powerinfer-tray key set {name} --file</source>
            <translation>次のコマンドを実行してください: powerinfer-tray key set {name} --file</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>{command}, or set the environment variable {variable}.</source>
            <translation>{command} (または、環境変数 {variable} を設定してください)</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>There is no valid key {place}</source>
            <translation>{place} に有効なキーがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>Set it again, or remove it.</source>
            <translation>設定し直すか、削除してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The setting {name} belongs to a single model</source>
            <translation>設定 {name} はモデルごとの設定です</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>Each model has its own value. There is no value for all models.</source>
            <translation>値はモデルごとにあり、全モデル共通の値はありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>Give the model: powerinfer-tray settings set {name} VALUE --model ID</source>
            <translation>モデルを指定してください: powerinfer-tray settings set {name} VALUE --model ID</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The setting {name} applies to all models</source>
            <translation>設定 {name} は全モデル共通です</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>A model can have its own values for: {names}.</source>
            <translation>モデルごとに設定できるもの: {names}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>To set it for all models, run: powerinfer-tray settings set {name} VALUE</source>
            <translation>全モデルに設定するには: powerinfer-tray settings set {name} VALUE</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The engine of a model cannot be remote</source>
            <translation>モデルのエンジンを remote にはできません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>A remote server has its own models, so it is chosen for all models.</source>
            <translation>リモートサーバーは独自のモデルを持つため、全モデル共通で選択します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>To use it, run: powerinfer-tray settings set engine remote</source>
            <translation>使用するには: powerinfer-tray settings set engine remote</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>{alias} cannot be another name for {model}</source>
            <translation>{alias} を {model} の別名にはできません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>It is the ID of another model, {other}.</source>
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
            <source>{entry} contains an invisible character.</source>
            <translation>{entry} に目に見えない文字が含まれています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>An empty entry does not match any page.</source>
            <translation>空の項目はどのページも表しません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} has no scheme. Write it as browsers send it: https://{host} or http://{host}.</source>
            <translation>{entry} にスキームがありません。ブラウザーが送信する形式で書いてください: https://{host} または http://{host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>The scheme {scheme} cannot contain *. Enter each scheme, such as https://*.</source>
            <translation>スキーム {scheme} に * は使用できません。https://* のように、スキームを 1 つずつ指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{scheme} is not a scheme such as https.</source>
            <translation>{scheme} は https のようなスキームではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Web pages do not use the scheme {scheme}. Write https or http.</source>
            <translation>Web ページではスキーム {scheme} は使われません。https または http と書いてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Browsers do not send a path. Write {origin} instead of {entry}.</source>
            <translation>ブラウザーはパスを送信しません。{entry} の代わりに {origin} と書いてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} has no host. Enter one, or * for any host.</source>
            <translation>{entry} にホストがありません。ホストを入力するか、すべてのホストを表す * を入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>In {entry}, * can only be the whole host, the part before the first dot, or the port: https://*.example.org, http://localhost:*.</source>
            <translation>{entry} で * を使用できるのは、ホスト全体、ホストの最初のドットの前、またはポートとしてだけです: https://*.example.org、http://localhost:*</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Browsers do not send a user name. Remove the part before the @.</source>
            <translation>ブラウザーはユーザー名を送信しません。@ より前を取り除いてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Write {name} in ASCII as browsers send it, starting with xn--.</source>
            <translation>{name} を、ブラウザーが送信する ASCII の形式で書いてください。xn-- で始まります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{port} is not a port. Enter a number up to 65535, or *.</source>
            <translation>{port} はポートではありません。65535 までの数値、または * を書いてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{name} is not a host name.</source>
            <translation>{name} はホスト名ではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} cannot match any web page</source>
            <translation>{entry} に一致する Web ページはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Language</source>
            <translation>言語</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For the window, the menu and notifications</source>
            <translation>ウィンドウ、メニュー、通知の言語</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The command line and the logs are always in English.</source>
            <translation>コマンドラインとログは常に英語です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>translation, locale</source>
            <translation>翻訳, 英語, フランス語, 日本語</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Launch at login</source>
            <translation>ログイン時に起動</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start in the tray when you log in</source>
            <translation>ログイン時にトレイで起動</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>autostart, boot, startup</source>
            <translation>自動起動, スタートアップ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start the server automatically</source>
            <translation>サーバーを自動的に開始</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>As soon as the app starts</source>
            <translation>アプリの起動と同時に</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>autostart, launch</source>
            <translation>自動起動, 開始</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Notifications</source>
            <translation>通知</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Downloads, crashes and refused apps</source>
            <translation>ダウンロード、クラッシュ、拒否したアプリ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Tells you when a download or the installation of an engine finishes, when the server crashes, when an installed engine is not used, when a new version is available, and when an app or a web page on this computer is refused.</source>
            <translation>ダウンロードやエンジンのインストールが終わったとき、サーバーがクラッシュしたとき、インストール済みのエンジンが使われないとき、新しいバージョンがあるとき、このコンピューターのアプリや Web ページが拒否されたときにお知らせします。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>messages, alerts, notices</source>
            <translation>メッセージ, 警告, お知らせ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Tell me about new versions</source>
            <translation>新しいバージョンを知らせる</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Once a week. Nothing is installed</source>
            <translation>週に 1 回。何もインストールしません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Asks where this app is released which version is the newest. Only the version that you have is sent.</source>
            <translation>このアプリの公開元に、最新のバージョンを問い合わせます。送信するのは、お使いのバージョンだけです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>update, upgrade, release, check</source>
            <translation>更新, アップデート, アップグレード, リリース, 確認</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Release address</source>
            <translation>リリースのアドレス</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Empty: the releases on GitHub</source>
            <translation>空欄: GitHub のリリース</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where to ask for the newest version: the https address of a copy of what GitHub says of the latest release (JSON).</source>
            <translation>最新のバージョンの問い合わせ先です。GitHub が返す最新リリースの情報 (JSON) のコピーがある https のアドレスを入力します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>update, mirror, proxy, GitHub</source>
            <translation>更新, アップデート, ミラー, プロキシ, GitHub</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Model</source>
            <translation>モデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Loaded when the server starts</source>
            <translation>サーバーの開始時に読み込まれます</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Choose an installed model, or enter the ID of one in the catalog, the name of a file in the models folder, or the path of a file.</source>
            <translation>インストール済みのモデルを選ぶか、カタログのモデルの ID、モデルフォルダー内のファイル名、またはファイルのパスを入力します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>GGUF, LLM, weights</source>
            <translation>GGUF, LLM, 重み</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Other names</source>
            <translation>別名</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Names that apps can use for this model</source>
            <translation>アプリがこのモデルに使える名前</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For apps that only know the names of other models: gpt-4o-mini, for example.</source>
            <translation>ほかのモデルの名前しか知らないアプリ用です。例: gpt-4o-mini</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>alias, rename</source>
            <translation>別名, エイリアス</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Context size</source>
            <translation>コンテキストサイズ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How much text the model can use</source>
            <translation>モデルが扱えるテキストの量</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>tokens</source>
            <translation>トークン</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A token is about three quarters of an English word. A larger context needs more memory. Automatic: up to 8192 tokens, as far as the model and the memory allow.</source>
            <translation>1 トークンは英単語の約 4 分の 3 です。大きいほどメモリを多く使います。自動: モデルとメモリが許す範囲で 8192 トークンまで。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>context length, window, num_ctx, n_ctx, memory</source>
            <translation>コンテキスト長, ウィンドウ, メモリ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Memory limit</source>
            <translation>メモリの上限</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For all loaded models together</source>
            <translation>読み込んだすべてのモデルの合計</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>GiB</source>
            <translation>GiB</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Models are unloaded when another one would exceed it. Automatic: the memory that is free, minus a reserve for other apps.</source>
            <translation>別のモデルで上限を超える場合は、ほかのモデルが解放されます。自動: 空きメモリから、ほかのアプリ用の予備を除いた量。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>RAM, memory budget</source>
            <translation>RAM, メモリ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>VRAM budget</source>
            <translation>グラフィックメモリの上限</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Graphics memory to use on each card</source>
            <translation>カードごとに使うグラフィックメモリ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The most memory of each graphics card that engines may use. Automatic: what is free.</source>
            <translation>エンジンが各グラフィックカードで使えるメモリの最大量です。自動: 空いている分。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>GPU, VRAM, graphics memory limit, graphics card, video memory, layers</source>
            <translation>GPU, VRAM, グラフィックメモリの上限, グラフィックカード, ビデオメモリ, レイヤー</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Stop when idle</source>
            <translation>アイドル時に停止</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Unload the model after this time</source>
            <translation>この時間が経つとモデルを解放</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>minutes</source>
            <translation>分</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>After so many minutes without a request, the engine stops and frees its memory. 0 means never.</source>
            <translation>この分数の間リクエストがないと、エンジンが停止してメモリを解放します。0 は「停止しない」です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>sleep, unload, timeout, keep alive</source>
            <translation>スリープ, 解放, タイムアウト</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start on demand</source>
            <translation>オンデマンドで起動</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A request wakes a sleeping server</source>
            <translation>リクエストで休止中のサーバーを起動</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A request starts an engine that has stopped because it was idle, and waits for it. A server that you stop yourself stays stopped.</source>
            <translation>アイドルで停止したエンジンをリクエストが起動し、準備ができるまで待ちます。自分で停止したサーバーは停止したままです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>wake, sleep, idle</source>
            <translation>起動, スリープ, アイドル</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Keep loaded</source>
            <translation>常に読み込んでおく</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Never make room for another model</source>
            <translation>ほかのモデルに場所を譲らない</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The model stays in memory when another one needs room, and is loaded when the server starts.</source>
            <translation>ほかのモデルがメモリを必要としてもそのまま残り、サーバーの開始時に読み込まれます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>pin, memory, unload</source>
            <translation>固定, メモリ, 解放</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Temperature</source>
            <translation>温度</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Higher values give more varied answers</source>
            <translation>高いほど回答が多様になります</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For requests that do not set a temperature themselves.</source>
            <translation>温度を指定しないリクエストに使われます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>creativity, randomness, sampling</source>
            <translation>創造性, ランダム, サンプリング</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Default chat model</source>
            <translation>既定のチャットモデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>When a request names no installed model</source>
            <translation>リクエストのモデルが未インストールのとき</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Answers every request except those for embeddings and rankings. Empty: the setting Model.</source>
            <translation>埋め込みとランキング以外のすべてのリクエストに答えます。空欄: 設定「モデル」のモデル。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>fallback</source>
            <translation>代替</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Default embedding model</source>
            <translation>既定の埋め込みモデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Answers requests for embeddings and rankings. Empty: the setting Model.</source>
            <translation>埋め込みとランキングのリクエストに答えます。空欄: 設定「モデル」のモデル。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>vectors, rerank, fallback</source>
            <translation>ベクトル, リランク, 代替</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Projector</source>
            <translation>プロジェクター</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Lets this model see pictures</source>
            <translation>このモデルで画像を扱えるようにします</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The mmproj file of the model: a path, or a name in the models folder. Empty: the file beside the model. none: no pictures.</source>
            <translation>モデルの mmproj ファイル: パス、またはモデルフォルダー内の名前。空欄: モデルと同じ場所のファイル。none: 画像なし。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>vision, images, mmproj, multimodal</source>
            <translation>ビジョン, 画像, 写真, マルチモーダル</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Query prefix</source>
            <translation>クエリの接頭辞</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Put before texts embedded as queries</source>
            <translation>クエリとして埋め込むテキストの前に付きます</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Use the prefix that the model was trained with. You find it on the model's page.</source>
            <translation>モデルの学習に使われた接頭辞を入力します。モデルのページに載っています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>instruction, search_query, embeddings</source>
            <translation>指示, 検索, 埋め込み</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Document prefix</source>
            <translation>文書の接頭辞</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Put before texts embedded as documents</source>
            <translation>文書として埋め込むテキストの前に付きます</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>instruction, passage, search_document, embeddings</source>
            <translation>指示, パッセージ, 埋め込み</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Installed models only</source>
            <translation>インストール済みモデルのみ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Refuse requests for other models</source>
            <translation>ほかのモデルへのリクエストを拒否</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A request for a model that is not installed gets an error, not an answer from the default model.</source>
            <translation>インストールされていないモデルへのリクエストには、既定のモデルの回答ではなくエラーを返します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>strict, model not found</source>
            <translation>厳密, モデルが見つからない</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Pooling</source>
            <translation>プーリング</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How a text becomes one vector</source>
            <translation>テキストを 1 つのベクトルにする方法</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Automatic: as the model's file says.</source>
            <translation>自動: モデルファイルの指定に従います。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>mean, cls, last, rank, embeddings</source>
            <translation>平均, 埋め込み</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Shorter vectors</source>
            <translation>短いベクトル</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Let apps ask for fewer dimensions</source>
            <translation>アプリが次元数を減らすことを許可</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Only some models are trained for it. Automatic: by the model's name.</source>
            <translation>一部のモデルだけが対応しています。自動: モデルの名前で判断します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Matryoshka, dimensions, embeddings</source>
            <translation>マトリョーシカ, 次元, 埋め込み</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Engine</source>
            <translation>エンジン</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The program that runs models</source>
            <translation>モデルを実行するプログラム</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Choose one, or enter auto, powerinfer, llama.cpp, llama-server, remote, an installed engine such as llama.cpp-cuda, or the path of a server program of your own.</source>
            <translation>一覧から選ぶか、auto、powerinfer、llama.cpp、llama-server、remote、llama.cpp-cuda などのインストール済みエンジン、または自分のサーバープログラムのパスを入力します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>llama.cpp, PowerInfer, CUDA, Vulkan, GPU, runtime</source>
            <translation>llama.cpp, PowerInfer, CUDA, Vulkan, GPU, ランタイム</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Remote server address</source>
            <translation>リモートサーバーのアドレス</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A server with OpenAI's API</source>
            <translation>OpenAI の API を備えたサーバー</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For the engine remote: its base URL, http://box:8000/v1, for example.</source>
            <translation>エンジン remote 用のベース URL です。例: http://box:8000/v1</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>URL, endpoint, OpenAI</source>
            <translation>URL, エンドポイント, OpenAI</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Remote model</source>
            <translation>リモートモデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For requests that name no model</source>
            <translation>モデルを指定しないリクエスト用</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Which of the remote server's models answers them. Empty: its first.</source>
            <translation>リモートサーバーのどのモデルが答えるか。空欄: 最初のモデル。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Threads</source>
            <translation>スレッド数</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For writing answers</source>
            <translation>回答の生成用</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How many processor threads write an answer. Automatic: one for each physical core.</source>
            <translation>回答の生成に使うプロセッサーのスレッド数です。自動: 物理コアごとに 1 つ。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>CPU, cores, performance</source>
            <translation>CPU, コア, 性能</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Threads for prompts</source>
            <translation>プロンプト用スレッド数</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For reading prompts and texts to embed</source>
            <translation>プロンプトと埋め込むテキストの読み取り用</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How many processor threads read a prompt. Automatic: the same number as Threads.</source>
            <translation>プロンプトの読み取りに使うプロセッサーのスレッド数です。自動: 「スレッド数」と同じ。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>CPU, cores, batch, performance</source>
            <translation>CPU, コア, バッチ, 性能</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Batch size</source>
            <translation>バッチサイズ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Prompt tokens processed in one step</source>
            <translation>一度に処理するプロンプトのトークン数</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>n_batch, ubatch, performance</source>
            <translation>バッチ, 性能</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Workers</source>
            <translation>ワーカー数</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Processes that run a sparse model</source>
            <translation>スパースモデルを実行するプロセスの数</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Each has one thread, and all share the model's weights. Automatic: one for every two physical cores, as far as memory allows.</source>
            <translation>それぞれ 1 スレッドで、モデルの重みを共有します。自動: メモリが許す範囲で、物理コア 2 つごとに 1 つ。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>PowerInfer, parallel, processes</source>
            <translation>PowerInfer, 並列, プロセス</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Extra arguments</source>
            <translation>追加の引数</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Added to the engine's command line</source>
            <translation>エンジンのコマンドラインに追加されます</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>As the engine's help lists them: --flash-attn off, for example.</source>
            <translation>エンジンのヘルプにある形で入力します。例: --flash-attn off</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>flags, options, parameters, command line</source>
            <translation>フラグ, オプション, パラメーター, コマンドライン</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Who can connect</source>
            <translation>接続を許可する範囲</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>LAN, host, bind, share</source>
            <translation>LAN, ネットワーク, 共有</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Port</source>
            <translation>ポート</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Part of the address that apps use</source>
            <translation>アプリが使うアドレスの一部</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Apps connect to http://127.0.0.1:PORT/v1.</source>
            <translation>アプリは http://127.0.0.1:PORT/v1 に接続します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>address, URL, listen</source>
            <translation>アドレス, URL</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Allowed web pages</source>
            <translation>許可する Web ページ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Web pages that may use the server</source>
            <translation>サーバーを使える Web ページ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Origins such as https://example.org, http://localhost:* or app://*. With * every page that you visit may use the server.</source>
            <translation>https://example.org、http://localhost:*、app://* などのオリジン。* にすると、開いたすべてのページがサーバーを使えます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>CORS, origins, browser</source>
            <translation>CORS, オリジン, ブラウザー</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Refused apps and web pages</source>
            <translation>拒否したアプリと Web ページ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>You are not asked about them again</source>
            <translation>再び確認されることはありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The origins of apps and web pages on this computer that you have refused.</source>
            <translation>このコンピューターで拒否したアプリと Web ページのオリジンです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>CORS, origins, blocked</source>
            <translation>CORS, オリジン, ブロック</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Engine routes</source>
            <translation>エンジンのルート</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Also offer the engine's own API</source>
            <translation>エンジン独自の API も提供</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Routes such as /completion and /tokenize.</source>
            <translation>/completion や /tokenize などのルートです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>native routes, endpoints, API</source>
            <translation>ネイティブルート, エンドポイント, API</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Metrics</source>
            <translation>メトリクス</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Offer Prometheus counters at /metrics</source>
            <translation>/metrics で Prometheus のカウンターを提供</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>monitoring, statistics</source>
            <translation>監視, 統計</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Models folder</source>
            <translation>モデルフォルダー</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where models are stored</source>
            <translation>モデルの保存先</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Downloads go here, and installed models are found here. Empty: the default folder.</source>
            <translation>ダウンロードの保存先で、インストール済みのモデルもここにあります。空欄: 既定のフォルダー。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>directory, path, disk, location</source>
            <translation>ディレクトリ, パス, ディスク, 場所</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Speed limit</source>
            <translation>速度制限</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For all downloads together</source>
            <translation>すべてのダウンロードの合計</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>MB/s</source>
            <translation>MB/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>0 means no limit.</source>
            <translation>0 は制限なしです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>bandwidth, throttle</source>
            <translation>帯域幅, 制限</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Check for newer models</source>
            <translation>新しいモデルを確認</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Once a week. Nothing is downloaded</source>
            <translation>週に 1 回。ダウンロードはしません</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Asks where your models came from whether their files have changed.</source>
            <translation>モデルの取得元に、ファイルが変わったかどうかを問い合わせます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>update</source>
            <translation>更新, アップデート</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Hugging Face address</source>
            <translation>Hugging Face のアドレス</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Hugging Face, or a mirror of it</source>
            <translation>Hugging Face またはミラー</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where hf: sources lead. Use an https address for a mirror, so that your access token stays private.</source>
            <translation>hf: の取得元です。ミラーには、アクセストークンが漏れないよう https のアドレスを使ってください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>mirror, HF_ENDPOINT, proxy</source>
            <translation>ミラー, プロキシ</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Connections</source>
            <translation>接続数</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>At most, for one download</source>
            <translation>1 つのダウンロードの最大数</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Automatic: a few, and more as long as that makes the download faster.</source>
            <translation>自動: 少数から始め、速くなる間は増やします。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>parallel, segments</source>
            <translation>並列, セグメント</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Engine download address</source>
            <translation>エンジンのダウンロード元</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Empty: directly from the engines' makers</source>
            <translation>空欄: エンジンの開発元から直接</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The address of a mirror, which has the files as RELEASE/FILE. They must be identical to the originals.</source>
            <translation>ファイルを「リリース/ファイル」の形で置いたミラーのアドレスです。元のファイルと同一でなければなりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>mirror, proxy, GitHub</source>
            <translation>ミラー, プロキシ, GitHub</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Another program is changing the settings</source>
            <translation>別のプログラムが設定を変更しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>{path} has been locked for {seconds:.0f} seconds.</source>
            <translation>{path} が {seconds:.0f} 秒間ロックされています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Try again. If that does not help, quit the other PowerInfer Tray.</source>
            <translation>もう一度お試しください。解決しない場合は、もう一方の PowerInfer Tray を終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings could not be saved</source>
            <translation>設定を保存できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Check that the disk is not full and that you have permission to write to this folder.</source>
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
            <source>The settings file is from a newer version of this app</source>
            <translation>設定ファイルは、このアプリの新しいバージョンのものです</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>{path} has version {version}, but this app supports version {known}.</source>
            <translation>{path} のバージョンは {version} ですが、このアプリが対応しているのは {known} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Install the newer version, or move the file to start with new settings. The file was not changed.</source>
            <translation>新しいバージョンをインストールするか、ファイルを移動して新しい設定で始めてください。ファイルは変更していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings file has an error, so some defaults are used</source>
            <translation>設定ファイルにエラーがあるため、一部で既定値を使用します</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>{path}: {cause}</source>
            <translation>{path}: {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Correct the file, or choose these settings again. The file was not changed.</source>
            <translation>ファイルを修正するか、設定し直してください。ファイルは変更していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/autostart.py" />
            <source>Launch at login could not be changed</source>
            <translation>ログイン時の起動を変更できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/autostart.py" />
            <source>Check that you have permission to write to this location, or use the system settings.</source>
            <translation>この場所への書き込み権限を確認するか、システムの設定を使用してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/disk.py" />
            <source>Not enough disk space</source>
            <translation>ディスクの空き容量が足りません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/disk.py" />
            <source>{needed:.2f} GB are needed. {folder} has {free:.2f} GB free, of which {reserve:.2f} GB are kept for other programs.</source>
            <translation>{needed:.2f} GB 必要です。{folder} の空きは {free:.2f} GB で、そのうち {reserve:.2f} GB は他のプログラムのために残します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>{place} is not available.</source>
            <translation>{place} が使用できません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>When it is back, the server starts automatically. Or choose another model or models folder.</source>
            <translation>元に戻ると、サーバーは自動的に起動します。または別のモデルかモデルフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>The drive “{name}” is not connected</source>
            <translation>ドライブ「{name}」が接続されていません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>The folder “{name}” is missing</source>
            <translation>フォルダー「{name}」がなくなりました</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/files.py" />
            <source>Could not write to the folder</source>
            <translation>フォルダーに書き込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/files.py" />
            <source>{name} could not be saved</source>
            <translation>{name} を保存できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/files.py" />
            <source>Choose another folder.</source>
            <translation>別のフォルダーを選択してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/files.py" />
            <source>Check the permissions of this folder, or set another one with POWERINFER_TRAY_HOME.</source>
            <translation>このフォルダーの権限を確認するか、POWERINFER_TRAY_HOME で別のフォルダーを指定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>This system has no keychain</source>
            <translation>このシステムにはキーチェーンがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>Keys are stored in a keychain (on Linux, GNOME Keyring or KWallet), but none was found.</source>
            <translation>キーはキーチェーン (Linux では GNOME Keyring または KWallet) に保存されますが、見つかりませんでした。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>The keychain denied access</source>
            <translation>キーチェーンがアクセスを拒否しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>Unlock the system's keychain and try again.</source>
            <translation>システムのキーチェーンのロックを解除して、もう一度お試しください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key file {path} could not be read</source>
            <translation>キーファイル {path} を読み込めません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>{reason}</source>
            <translation>{reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Remove it, or give yourself permission to read it.</source>
            <translation>削除するか、読み取り権限を設定してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key file {path} is not a file</source>
            <translation>キーファイル {path} はファイルではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Something else has this name.</source>
            <translation>同じ名前の別のものがあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Other users can read the key file {path}</source>
            <translation>ほかのユーザーがキーファイル {path} を読み取れます</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Other users of this computer could read the key, so it is not used.</source>
            <translation>このコンピューターのほかのユーザーがキーを読み取れるため、使用しません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Run: chmod 600 "{path}". Then choose a new key, because someone may have read this one.</source>
            <translation>次のコマンドを実行してください: chmod 600 "{path}"。その後、このキーは読み取られた可能性があるため、新しいキーに替えてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key could not be saved in or removed from a file</source>
            <translation>キーをファイルに保存、またはファイルから削除できませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/paths.py" />
            <source>You have no home folder</source>
            <translation>ホームフォルダーがありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/paths.py" />
            <source>The variable HOME is not set, and the system does not know this user.</source>
            <translation>変数 HOME が設定されておらず、システムはこのユーザーを認識していません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/paths.py" />
            <source>Set HOME, or set {name} to a folder for all files of this app.</source>
            <translation>HOME を設定するか、{name} にこのアプリの全ファイル用のフォルダーを設定してください。</translation>
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
            <source>Port {port} is in use by {programs}</source>
            <translation>ポート {port} は {programs} が使用しています</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Only one program at a time can use a port.</source>
            <translation>1 つのポートを使用できるプログラムは、一度に 1 つだけです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Stop the service {services}</source>
            <translation>サービス {services} を停止する</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Quit that program</source>
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
            <source>The system does not allow port {port}</source>
            <translation>システムがポート {port} の使用を許可しません</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Windows reserves ports {first} to {last}.</source>
            <translation>ポート {first} から {last} は Windows が予約しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Ports below {port} are reserved for system programs.</source>
            <translation>{port} より小さいポートはシステムのプログラム用です。</translation>
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
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>Pictures can have up to {most} MB.</source>
            <translation>画像は {most} MB までです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>Save it at a smaller size and add it again.</source>
            <translation>小さいサイズで保存して、もう一度追加してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>Check that it is an ordinary file and that you may read it.</source>
            <translation>通常のファイルであり、読み取りが許可されているか確認してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>{name} is not a picture</source>
            <translation>{name} は画像ではありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>PNG, JPEG, WebP, GIF and BMP files can be added.</source>
            <translation>PNG、JPEG、WebP、GIF、BMP のファイルを追加できます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>The picture is damaged or too large.</source>
            <translation>画像が壊れているか、大きすぎます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>Too many pictures</source>
            <translation>画像が多すぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>A message can have up to {most} pictures.</source>
            <translation>1 つのメッセージに添付できる画像は {most} 枚までです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>Send this message first.</source>
            <translation>先にこのメッセージを送信してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>The pictures are too large</source>
            <translation>画像が大きすぎます</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>The pictures of a message can have up to {most} MB together.</source>
            <translation>1 つのメッセージの画像は合計 {most} MB までです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>&amp;Folder…</source>
            <translation>フォルダー(&amp;F)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>F&amp;iles…</source>
            <translation>ファイル(&amp;I)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>&amp;Paste Text…</source>
            <translation>テキストを貼り付け(&amp;P)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>&amp;New Collection…</source>
            <translation>新しいコレクション(&amp;N)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Search in Qdrant with &amp;Python</source>
            <translation>&amp;Python で Qdrant を検索</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Search in Qdrant with &amp;curl</source>
            <translation>&amp;curl で Qdrant を検索</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Search in &amp;4D</source>
            <translation>&amp;4D で検索</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>&amp;Rename…</source>
            <translation>名前を変更(&amp;R)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>&amp;Export…</source>
            <translation>書き出し(&amp;E)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>&amp;Delete…</source>
            <translation>削除(&amp;D)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Copied</source>
            <translation>コピーしました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Rename the collection</source>
            <translation>コレクションの名前を変更</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Name:</source>
            <translation>名前:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>JSON Lines (*.jsonl)</source>
            <translation>JSON Lines (*.jsonl)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Table (*.csv)</source>
            <translation>表 (*.csv)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>NumPy (*.npz)</source>
            <translation>NumPy (*.npz)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Export texts and vectors</source>
            <translation>テキストとベクトルを書き出し</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/desktop.py" />
            <source>This desktop shows no tray icons</source>
            <translation>このデスクトップにはトレイアイコンが表示されません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/desktop.py" />
            <source>The app runs in this window instead. Closing it quits the app and stops the server.</source>
            <translation>代わりにこのウィンドウで動作します。閉じるとアプリが終了し、サーバーも停止します。</translation>
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
            <source>Downloads language models, runs them on this computer, and makes them available to OpenAI clients.</source>
            <translation>言語モデルをダウンロードしてこのコンピューターで実行し、OpenAI クライアントから使えるようにします。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Nothing is sent from this computer except the downloads, searches and checks you ask for.</source>
            <translation>ご自身が行うダウンロード、検索、確認のほかには、このコンピューターから何も送信しません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>License: MIT</source>
            <translation>ライセンス: MIT</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Qt is used under the GNU LGPL version 3: you may replace it with your own build.</source>
            <translation>Qt は GNU LGPL バージョン 3 で使用しています。ご自分のビルドに置き換えられます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Licenses of all parts: {file}</source>
            <translation>すべての構成要素のライセンス: {file}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>This Conversation</source>
            <translation>この会話</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>For example: Answer briefly, and in French.</source>
            <translation>例: 短く、日本語で答えてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>Set &amp;temperature:</source>
            <translation>温度を設定(&amp;T)：</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>OK</source>
            <translation>OK</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>Cancel</source>
            <translation>キャンセル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>&amp;System prompt:</source>
            <translation>システムプロンプト(&amp;S): </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>What the model is told before every answer in this conversation.</source>
            <translation>この会話で、回答のたびに最初にモデルへ伝える内容です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>Lower values give more predictable answers. Otherwise the setting of the model applies.</source>
            <translation>値が低いほど、予測しやすい回答になります。オフの場合はモデルの設定を使います。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Delete the unfinished download of {name}?</source>
            <translation>{name} の未完了のダウンロードを削除しますか?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>The next download would start from the beginning.</source>
            <translation>次のダウンロードは最初からになります。</translation>
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
            <source>{size}, with all files that belong to it.</source>
            <translation>{size}。付属するファイルも含みます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Move to &amp;Trash</source>
            <translation>ごみ箱に移動(&amp;T)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>The server is using it and will be stopped first.</source>
            <translation>サーバーが使用中のため、先に停止します。</translation>
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
            <source>The files are moved to the trash.</source>
            <translation>ファイルはゴミ箱に移動します。</translation>
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
            <source>Keep what has been downloaded to continue later, or delete it.</source>
            <translation>ダウンロード済みの部分を残して後で続けるか、削除します。</translation>
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
            <source>C&amp;ontinue Download</source>
            <translation>ダウンロードを続ける(&amp;O)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>“{title}”</source>
            <translation>「{title}」</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Move this conversation to the trash?</source>
            <translation>この会話をゴミ箱に移動しますか？</translation>
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
            <source>An engine is a program with the same rights as you. Add it only if you know where it comes from. It is copied, and tested before it is used.</source>
            <translation>エンジンは、あなたと同じ権限で動くプログラムです。出所がわかる場合だけ追加してください。コピーして、使う前にテストします。</translation>
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
            <source>Delete {name}?</source>
            <translation>{name} を削除しますか？</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>The files that the texts came from stay as they are.</source>
            <translation>テキストの元のファイルはそのまま残ります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Keep</source>
            <translation>残す(&amp;K)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>PowerInfer Tray</source>
            <translation>PowerInfer Tray</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Warning</source>
            <translation>警告</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>Download a model</source>
            <translation>モデルのダウンロード</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>Reading the model's details …</source>
            <translation>モデルの詳細を読み込み中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>&amp;Download</source>
            <translation>ダウンロード(&amp;D)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>The details could not be read. You can still download the model.</source>
            <translation>詳細を読み込めませんでした。ダウンロードはできます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>Import models</source>
            <translation>モデルのインポート</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Copy: the original file stays where it is</source>
            <translation>コピー(&amp;C): 元のファイルはそのまま残ります</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Move: the file is then only in the models folder</source>
            <translation>移動(&amp;M): ファイルはモデルフォルダーだけに置かれます</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Link: use the file where it is, without taking space</source>
            <translation>リンク(&amp;L): 元の場所のまま使い、容量を取りません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Import</source>
            <translation>インポート(&amp;I)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>To {folder}</source>
            <translation>移動先: {folder}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>The other files of a split model are included.</source>
            <translation>分割モデルのほかのファイルも含まれます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/model_information.py" />
            <source>Information</source>
            <translation>情報</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/open_link.py" />
            <source>Copy &amp;Link</source>
            <translation>リンクをコピー(&amp;L)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/open_link.py" />
            <source>Open this link?</source>
            <translation>このリンクを開きますか？</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/open_link.py" />
            <source>&amp;Open Link</source>
            <translation>リンクを開く(&amp;O)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/open_link.py" />
            <source>Only links to web pages and e-mail addresses can be opened.</source>
            <translation>開けるのは Web ページとメールアドレスへのリンクだけです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/open_link.py" />
            <source>This link cannot be opened here</source>
            <translation>このリンクはここでは開けません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/paste_texts.py" />
            <source>Paste text</source>
            <translation>テキストを貼り付け</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/paste_texts.py" />
            <source>Texts, one on each line</source>
            <translation>テキスト (1 行に 1 件)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/paste_texts.py" />
            <source>&amp;Texts, one on each line:</source>
            <translation>テキスト (1 行に 1 件)(&amp;T):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/paste_texts.py" />
            <source>Ca&amp;ncel</source>
            <translation>キャンセル(&amp;N)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>Quantize a model</source>
            <translation>モデルの量子化</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>Looking for types …</source>
            <translation>種類を調べています…</translation>
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
            <source>Disk space:</source>
            <translation>ディスク容量:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/settings.py" />
            <source>Settings</source>
            <translation>設定</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/settings.py" />
            <source>What you change here applies to this model only. Everything without a mark is the same as for all models.</source>
            <translation>ここでの変更は、このモデルにだけ適用されます。印のないものは、すべてのモデルと同じです。</translation>
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
            <source>Part of this engine comes from {owner} and has its own terms. Install it only if you have read and accept them.</source>
            <translation>このエンジンの一部は {owner} のもので、独自の条件があります。読んで同意した場合だけインストールしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Best engine and number of threads</source>
            <translation>最適なエンジンとスレッド数</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>The server restarts on each engine and with different numbers of threads, and is measured each time. Other apps have to wait. Close programs that keep the processor busy.</source>
            <translation>エンジンとスレッド数を変えてサーバーを再起動し、そのたびに測定します。その間、ほかのアプリは待ちます。プロセッサーを使うプログラムは閉じてください。</translation>
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
            <source>Stopping…</source>
            <translation>停止中…</translation>
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
            <location filename="../../tray_app/ui/dialogs/what_is_new.py" />
            <source>What Is New</source>
            <translation>新機能</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/what_is_new.py" />
            <source>There is no description of this version.</source>
            <translation>このバージョンの説明はありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/what_is_new.py" />
            <source>&amp;Open Page</source>
            <translation>ページを開く(&amp;O)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/what_is_new.py" />
            <source>Version {version}</source>
            <translation>バージョン {version}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/file_jobs.py" />
            <source>Called off</source>
            <translation>キャンセルしました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Importing</source>
            <translation>インポート中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Checking</source>
            <translation>確認中</translation>
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
            <source>Quantizing</source>
            <translation>量子化中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Delete &amp;Permanently</source>
            <translation>完全に削除(&amp;P)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/open_outside.py" />
            <source>Copy &amp;Path</source>
            <translation>パスをコピー(&amp;P)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/open_outside.py" />
            <source>The system has no program for it. Copy it and open it yourself.</source>
            <translation>システムに開けるプログラムがありません。コピーして、ご自分で開いてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/open_outside.py" />
            <source>This could not be opened</source>
            <translation>開けませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/chat.py" />
            <source>Chat</source>
            <translation>チャット</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/chat.py" />
            <source>Completion</source>
            <translation>補完</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>&amp;Embed</source>
            <translation>埋め込み(&amp;E)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>Ctrl+Enter</source>
            <translation>Ctrl+Enter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>Esc</source>
            <translation>Esc</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>How alike are your texts?</source>
            <translation>テキストはどれくらい似ていますか？</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>Embed two or more to see how near they are to each other in meaning.</source>
            <translation>2 件以上を埋め込むと、意味の近さがわかります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>&amp;Texts, one on each line; or drop a file here:</source>
            <translation>テキスト (1 行に 1 件、ファイルのドロップも可)(&amp;T):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>Embedding …</source>
            <translation>埋め込みを作成しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>Type a text first.</source>
            <translation>先にテキストを入力してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>&amp;Complete</source>
            <translation>生成(&amp;C)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>St&amp;op</source>
            <translation>停止(&amp;O)</translation>
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
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>Show conversations</source>
            <translation>会話の一覧を表示</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>More for this conversation</source>
            <translation>この会話のその他の操作</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>Markdown ({pattern})</source>
            <translation>Markdown ({pattern})</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>JSON ({pattern})</source>
            <translation>JSON ({pattern})</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>JSON lines ({pattern})</source>
            <translation>JSON Lines ({pattern})</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>Export</source>
            <translation>書き出し</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>Delete Permanently</source>
            <translation>完全に削除</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Search Hugging Face, or paste an address</source>
            <translation>Hugging Face を検索、またはアドレスを貼り付け</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Order of the results</source>
            <translation>結果の並び順</translation>
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
            <source>Tested and described</source>
            <translation>テスト済み・説明付き</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Models of the catalog. Hugging Face has many more: search for a name.</source>
            <translation>カタログのモデルです。Hugging Face にはさらに多くあります。名前で検索してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Searching …</source>
            <translation>検索中…</translation>
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
            <location filename="../../tray_app/ui/pages/embeddings.py" />
            <source>Search</source>
            <translation>検索</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embeddings.py" />
            <source>Compare</source>
            <translation>比較</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embeddings.py" />
            <source>Measure</source>
            <translation>測定</translation>
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
            <source>Loading the list of engines …</source>
            <translation>エンジンの一覧を読み込み中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Hide Other Engines</source>
            <translation>ほかのエンジンを隠す</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Show Other Engines</source>
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
            <source>No other app has a model that is not listed already</source>
            <translation>一覧にないモデルを持つアプリはほかにありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>These were looked through: LM Studio, Ollama, Jan, GPT4All, llama.cpp, Hugging Face's cache.</source>
            <translation>調べたもの: LM Studio、Ollama、Jan、GPT4All、llama.cpp、Hugging Face のキャッシュ。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>Models of other apps</source>
            <translation>他のアプリのモデル</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>Looking through the folders of other apps …</source>
            <translation>他のアプリのフォルダーを調べています …</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>These models belong to other apps and are used from where they are: nothing is copied or changed. When the other app removes one, it is gone from here, too.</source>
            <translation>これらはほかのアプリのモデルで、元の場所のまま使います。コピーも変更もしません。そのアプリがモデルを削除すると、ここからもなくなります。</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>{count} models added</source>
            <translation>
                <numerusform>モデルを {count} 個追加しました</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/home.py" />
            <source>Home</source>
            <translation>ホーム</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/home.py" />
            <source>Close</source>
            <translation>閉じる</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/home.py" />
            <source>The model is in order</source>
            <translation>モデルに問題はありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/home.py" />
            <source>Verifying the model …</source>
            <translation>モデルを検証しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/home.py" />
            <source>{percent} %</source>
            <translation>{percent}%</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>Enter does what the button says; the menu key opens a menu.</source>
            <translation>Enter キーでボタンの操作を行い、メニューキーでメニューを開きます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>Filter models</source>
            <translation>モデルを絞り込む</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>So&amp;rt</source>
            <translation>並べ替え(&amp;R)</translation>
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
            <source>Filter</source>
            <translation>フィルター</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>&amp;Follow new lines</source>
            <translation>新しい行を追う(&amp;F)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Keep the newest line in view.</source>
            <translation>最新の行を表示し続けます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>&amp;Copy</source>
            <translation>コピー(&amp;C)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Copies the selected lines, or all lines shown.</source>
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
            <source>Versions, hardware, command line and recent log lines, without secrets or your home folder.</source>
            <translation>バージョン、ハードウェア、コマンドライン、最近のログ。秘密情報とホームフォルダー名は含みません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Log lines</source>
            <translation>ログの行</translation>
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
            <source>All levels</source>
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
            <source>Nothing matches the filter</source>
            <translation>フィルターに一致する行はありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Choose other words, another source or another level.</source>
            <translation>別の語句、出所、レベルを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Nothing yet</source>
            <translation>まだ何もありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>What the app and the engines say appears here.</source>
            <translation>アプリとエンジンのメッセージがここに表示されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Diagnostics copied</source>
            <translation>診断情報をコピーしました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Paste them into your report. Secrets and the name of your home folder have been removed.</source>
            <translation>報告に貼り付けてください。秘密情報とホームフォルダー名は取り除いてあります。</translation>
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
            <source>At the same t&amp;ime:</source>
            <translation>同時実行数(&amp;I):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>&amp;Requests:</source>
            <translation>リクエスト数(&amp;R):</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>How fast is your server?</source>
            <translation>サーバーの速さはどれくらいですか？</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>Many requests, some at the same time, show how long one takes and how many are answered.</source>
            <translation>多数のリクエストを一部同時に送り、1 件の所要時間と処理できる件数を調べます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>{done} of {total} requests</source>
            <translation>{total} 件中 {done} 件のリクエスト</translation>
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
            <location filename="../../tray_app/ui/pages/search.py" />
            <source>Embedded texts</source>
            <translation>埋め込んだテキスト</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/search.py" />
            <source>&amp;Try Again</source>
            <translation>再試行(&amp;T)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Measuring …</source>
            <translation>計測中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Share of the disk that models take</source>
            <translation>モデルがディスクに占める割合</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>What models take</source>
            <translation>モデルの使用量</translation>
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
            <source>No model takes space yet</source>
            <translation>容量を使っているモデルはまだありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Models that you download or import are listed here with their sizes.</source>
            <translation>ダウンロードまたは取り込んだモデルが、サイズとともにここに表示されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/talk.py" />
            <source>The answer ends early</source>
            <translation>回答が途中で終わりました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/talk.py" />
            <source>The context is full. Set a larger context size, or start a new conversation.</source>
            <translation>コンテキストがいっぱいです。コンテキストサイズを大きくするか、新しい会話を始めてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/talk.py" />
            <source>Stopped</source>
            <translation>停止しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/talk.py" />
            <source>Choose a model that can, such as one with “VL” or “Vision” in its name.</source>
            <translation>名前に「VL」や「Vision」が付くモデルなど、画像に対応したモデルを選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/picture_sources.py" />
            <source>Pictures ({patterns})</source>
            <translation>画像 ({patterns})</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/picture_sources.py" />
            <source>Add Pictures</source>
            <translation>画像を追加</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/picture_sources.py" />
            <source>Pasted picture</source>
            <translation>貼り付けた画像</translation>
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
            <source>Test Again</source>
            <translation>もう一度テスト</translation>
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
            <source>{file}: {size}, license: {terms}</source>
            <translation>{file}: {size}、ライセンス: {terms}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>This frees {size} of disk space.</source>
            <translation>ディスクの空きが {size} 増えます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Changed</source>
            <translation>変更あり</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Its files have changed since it was installed, so the app does not run it. Install it again.</source>
            <translation>インストール後にファイルが変更されたため、実行しません。もう一度インストールしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Not used</source>
            <translation>使用しない</translation>
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
            <source>no graphics card found</source>
            <translation>グラフィックカードが見つかりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>processor</source>
            <translation>プロセッサー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>tested with {kinds}</source>
            <translation>{kinds} でテスト済み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{factor} times as fast as the built-in engine</source>
            <translation>内蔵エンジンの {factor} 倍の速さ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Not used for {kind}: {reason}</source>
            <translation>{kind} には使いません: {reason}</translation>
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
            <source>Apple silicon graphics</source>
            <translation>Apple シリコンの GPU</translation>
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
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Remote server</source>
            <translation>リモートサーバー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>No chat model</source>
            <translation>チャットモデルなし</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Loading {model} …</source>
            <translation>{model} を読み込み中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Loading the model …</source>
            <translation>モデルを読み込み中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Starting the server …</source>
            <translation>サーバーを起動中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Reading … {seconds} s</source>
            <translation>読み取り中… {seconds} 秒</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Reading …</source>
            <translation>読み取り中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Just now</source>
            <translation>たった今</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Today, {time}</source>
            <translation>今日 {time}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Yesterday, {time}</source>
            <translation>昨日 {time}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat_rows.py" />
            <source>{rate} tokens/s</source>
            <translation>{rate} トークン/秒</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/chat_rows.py" />
            <source>{count} tokens</source>
            <translation>
                <numerusform>{count} トークン</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat_rows.py" />
            <source>Thinking …</source>
            <translation>考え中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat_rows.py" />
            <source>Thoughts</source>
            <translation>思考の過程</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>Kind:</source>
            <translation>種類:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>Context size:</source>
            <translation>コンテキストサイズ:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>Size:</source>
            <translation>サイズ:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>This computer:</source>
            <translation>このコンピューター:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/downloads.py" />
            <source>File {number} of {count}: {text}</source>
            <translation>ファイル {number}/{count}: {text}</translation>
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
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>A newer engine is available</source>
            <translation>新しいエンジンがあります</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Use your graphics card</source>
            <translation>グラフィックカードを使う</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>A faster engine for this processor</source>
            <translation>このプロセッサーに合う、より速いエンジン</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Installing {engine}</source>
            <translation>{engine} をインストールしています</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Testing {engine}</source>
            <translation>{engine} をテスト中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Paused at {amount}</source>
            <translation>{amount} で一時停止中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Unpacking …</source>
            <translation>展開しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Testing its answers with {kind} …</source>
            <translation>{kind} で答えをテストしています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Testing its answers on this computer …</source>
            <translation>このコンピューターで答えをテストしています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Another engine is used until you choose Try Again.</source>
            <translation>「再試行」を選ぶまで、別のエンジンを使います。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Another engine is used instead. See Engines for details.</source>
            <translation>代わりに別のエンジンを使います。詳しくは「エンジン」をご覧ください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>{engine} could not be installed</source>
            <translation>{engine} をインストールできませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>{engine} failed its test</source>
            <translation>{engine} のテストに失敗しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Waiting: {cause}</source>
            <translation>待機中: {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Downloading</source>
            <translation>ダウンロード中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_names.py" />
            <source>Automatic</source>
            <translation>自動</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_names.py" />
            <source>llama.cpp (comes with the app)</source>
            <translation>llama.cpp (アプリに付属)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Up for {duration}</source>
            <translation>稼働時間 {duration}</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>{count} requests</source>
            <translation>
                <numerusform>リクエスト {count} 件</numerusform>
            </translation>
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
            <translation>グラフィックメモリ</translation>
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
            <source>process {pid}</source>
            <translation>プロセス {pid}</translation>
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
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>Choose the model to start with</source>
            <translation>起動するモデルを選んでください</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>Choose your first model</source>
            <translation>最初のモデルを選んでください</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>You can load others beside it at any time.</source>
            <translation>ほかのモデルもいつでも一緒に読み込めます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>These run well on this computer. You can have others at any time.</source>
            <translation>このコンピューターでよく動くモデルです。ほかのモデルはいつでも追加できます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>No model in the catalog suits this computer. Look for another one.</source>
            <translation>カタログにこのコンピューターに合うモデルがありません。ほかのモデルを探してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>Add a second model</source>
            <translation>2 つ目のモデルを追加</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>Both can be loaded at the same time, and share one address.</source>
            <translation>両方を同時に読み込むことができ、アドレスは共通です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>Do&amp;wnload {size}</source>
            <translation>{size} をダウンロード(&amp;W)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>&amp;Download {size}</source>
            <translation>{size} をダウンロード(&amp;D)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>To check the installation</source>
            <translation>インストールの確認用</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>It needs next to no memory.</source>
            <translation>メモリはほとんど要りません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>&amp;Try It Now</source>
            <translation>今すぐ試す(&amp;T)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>&amp;Use This Model</source>
            <translation>このモデルを使う(&amp;U)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>U&amp;se This Model</source>
            <translation>このモデルを使う(&amp;S)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>Use This &amp;Model</source>
            <translation>このモデルを使う(&amp;M)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>sees pictures</source>
            <translation>画像に対応</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>{duration} to download</source>
            <translation>ダウンロードに {duration}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Choose a &amp;Free Port</source>
            <translation>空きポートを選択(&amp;F)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Check the &amp;Files</source>
            <translation>ファイルを確認(&amp;V)</translation>
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
            <source>Tr&amp;y Again</source>
            <translation>再試行(&amp;Y)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>The file is exactly what was downloaded, so it is not the cause.</source>
            <translation>ファイルはダウンロードしたものと同一なので、原因ではありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>The header and size are correct. The weights cannot be checked because there is no SHA-256 for them.</source>
            <translation>ヘッダーとサイズは正しいです。SHA-256 がないため、重みは確認できません。</translation>
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
            <source>{needed} needed, {free} free: {missing} short</source>
            <translation>必要 {needed}、空き {free}: {missing} 不足</translation>
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
            <source>less than a minute</source>
            <translation>1 分未満</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{minutes} min</source>
            <translation>{minutes} 分</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{hours} h {minutes} min</source>
            <translation>{hours} 時間 {minutes} 分</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{days} d {hours} h</source>
            <translation>{days} 日 {hours} 時間</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Waiting</source>
            <translation>待機中</translation>
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
            <source>Canceled at {amount}</source>
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
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Most downloads</source>
            <translation>ダウンロード数順</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Most likes</source>
            <translation>いいね順</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Trending</source>
            <translation>話題順</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Recently updated</source>
            <translation>更新が新しい順</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>There is no GGUF model in this repository.</source>
            <translation>このリポジトリには GGUF モデルがありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Whether they fit is not known.</source>
            <translation>動くかどうかは分かりません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>None of them fits in this computer's memory. Look for a smaller model.</source>
            <translation>このコンピューターのメモリに収まるものがありません。もっと小さいモデルを探してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>The repository has more files than are shown.</source>
            <translation>表示されていないファイルがほかにもあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Hide files that are too large</source>
            <translation>大きすぎるファイルを隠す</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>{count} files are too large for this computer</source>
            <translation>
                <numerusform>{count} 個のファイルはこのコンピューターには大きすぎます</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Vision</source>
            <translation>画像対応</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Sign-in needed</source>
            <translation>サインインが必要</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>{count} files</source>
            <translation>
                <numerusform>{count} ファイル</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>With this file beside it, the model sees pictures.</source>
            <translation>このファイルを一緒に置くと、モデルが画像を扱えます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>{number} M downloads</source>
            <translation>ダウンロード {number} M 回</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>{count} downloads</source>
            <translation>
                <numerusform>ダウンロード {count} 回</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>{number} B parameters</source>
            <translation>{number} B パラメーター</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>{number} M parameters</source>
            <translation>{number} M パラメーター</translation>
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
            <translation>グラフィックカードのメモリはこの上限より少ないです。</translation>
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
            <source>&amp;Copy {address}</source>
            <translation>{address} をコピー(&amp;C)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Open C&amp;hat</source>
            <translation>チャットを開く(&amp;H)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Open &amp;Embeddings</source>
            <translation>埋め込みを開く(&amp;E)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Open Window</source>
            <translation>ウィンドウを開く(&amp;O)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Start Server</source>
            <translation>サーバーを起動(&amp;S)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>S&amp;top Server</source>
            <translation>サーバーを停止(&amp;T)</translation>
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
            <source>&amp;Version {version} is available…</source>
            <translation>バージョン {version} があります(&amp;V)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Sett&amp;ings…</source>
            <translation>設定(&amp;I)…</translation>
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
            <source>Example for &amp;JavaScript</source>
            <translation>JavaScript の例(&amp;J)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;4D</source>
            <translation>4D の例(&amp;4)</translation>
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
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Name</source>
            <translation>名前</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Size, largest first</source>
            <translation>サイズ（大きい順）</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>State, loaded first</source>
            <translation>状態（読み込み済みを先頭に）</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Make &amp;Default</source>
            <translation>既定にする(&amp;D)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Load</source>
            <translation>読み込む(&amp;L)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>U&amp;nload</source>
            <translation>解放(&amp;N)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Download…</source>
            <translation>ダウンロード(&amp;D)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Pause</source>
            <translation>一時停止(&amp;P)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Resume</source>
            <translation>再開(&amp;R)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Check &amp;Files</source>
            <translation>ファイルを確認(&amp;F)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Quantize…</source>
            <translation>量子化(&amp;Q)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Show in Folder</source>
            <translation>フォルダーで表示(&amp;S)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Remo&amp;ve…</source>
            <translation>削除(&amp;V)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Settings of This &amp;Model…</source>
            <translation>このモデルの設定(&amp;M)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Information…</source>
            <translation>情報(&amp;I)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Embedding</source>
            <translation>埋め込み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Reranking</source>
            <translation>リランキング</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>State:</source>
            <translation>状態:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Default</source>
            <translation>既定</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Quantization:</source>
            <translation>量子化:</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>{number} tokens</source>
            <translation>{number} トークン</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>ID:</source>
            <translation>ID:</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>{count} models</source>
            <translation>
                <numerusform>モデル {count} 個</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Sparse</source>
            <translation>スパース</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>context {number}</source>
            <translation>コンテキスト {number}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Its publisher wants you to sign in and accept terms first.</source>
            <translation>公開者のサイトにサインインし、利用条件に同意する必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Regular</source>
            <translation>通常</translation>
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
            <source>Loading …</source>
            <translation>読み込み中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>License: {license}.</source>
            <translation>ライセンス: {license}</translation>
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
            <source>See the log for details.</source>
            <translation>詳しくはログをご覧ください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>The server crashed and was restarted</source>
            <translation>サーバーがクラッシュし、再起動しました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Open Home to see what is new.</source>
            <translation>新機能はホームでご覧ください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Its requests are refused until you decide. Open Home to answer.</source>
            <translation>決めるまで要求は拒否されます。「ホーム」で答えてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Version {version} is available</source>
            <translation>バージョン {version} があります</translation>
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
            <source>Languages: {codes}</source>
            <translation>言語: {codes}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>License: {license}</source>
            <translation>ライセンス: {license}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Download {size}</source>
            <translation>ダウンロード {size}</translation>
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
            <source>Open Embeddings</source>
            <translation>埋め込みを開く</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Open Chat</source>
            <translation>チャットを開く</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Use in Place</source>
            <translation>その場で使用</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Recommended</source>
            <translation>おすすめ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Already installed</source>
            <translation>インストール済み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>Allow: from now on, its pages can send requests to the models on this computer.</source>
            <translation>許可: 今後、そのページはこのコンピューターのモデルに要求を送れます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>Refuse: it stays blocked, and you are not asked again.</source>
            <translation>拒否: ブロックされたままで、もう尋ねません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>Pages of this kind have a new name each time, so your answer applies to all of them.</source>
            <translation>この種のページは毎回名前が変わるため、答えはすべてに適用されます。</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>{count} more are waiting for an answer.</source>
            <translation>
                <numerusform>ほかに {count} 件が答えを待っています。</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>{origin} wants to use the server</source>
            <translation>{origin} がサーバーの使用を求めています</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Pasted</source>
            <translation>貼り付け</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Reading … {count} texts so far</source>
            <translation>
                <numerusform>読み込み中… 現在 {count} 件</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Embedding {done} of {total} texts</source>
            <translation>{total} 件中 {done} 件を埋め込み中</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{count} texts added</source>
            <translation>
                <numerusform>{count} 件のテキストを追加しました</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{count} were there already</source>
            <translation>
                <numerusform>{count} 件は追加済みでした</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{count} removed</source>
            <translation>
                <numerusform>{count} 件を除きました</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{count} items were skipped</source>
            <translation>
                <numerusform>{count} 件をスキップしました</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{count} collections cannot be read</source>
            <translation>
                <numerusform>{count} 件のコレクションを読み込めません</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{name}: {reason}</source>
            <translation>{name}: {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Nothing was found</source>
            <translation>何も見つかりませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>The nearest text: {text}</source>
            <translation>最も近いテキスト: {text}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{model}, which embedded these texts, has been changed or removed. Embed them again to search them; the files are not read again.</source>
            <translation>これらのテキストを埋め込んだ {model} は変更または削除されました。検索するには埋め込み直してください。ファイルは読み直されません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Similar texts are near each other. The map shows {percent}% of the differences.</source>
            <translation>似たテキストは近くに表示されます。この地図は違いの {percent}% を表しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{shown} of {total} texts are shown.</source>
            <translation>{total} 件中 {shown} 件を表示しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Pasted texts</source>
            <translation>貼り付けたテキスト</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Bread rises because yeast turns sugar into gas.</source>
            <translation>パンが膨らむのは、酵母が糖をガスに変えるからです。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>A sourdough starter has to be fed with flour and water every day.</source>
            <translation>サワー種には毎日、小麦粉と水を足します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Let the cake cool before you cut it.</source>
            <translation>ケーキは冷ましてから切ってください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>The train to the coast leaves every hour.</source>
            <translation>海岸行きの列車は 1 時間ごとに出ます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Book the ferry early in the summer months.</source>
            <translation>夏はフェリーを早めに予約してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>A passport has to be valid for six more months.</source>
            <translation>パスポートの残存期間は 6 か月以上必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Cats sleep for most of the day.</source>
            <translation>猫は一日の大半を眠って過ごします。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>A dog needs a long walk every morning.</source>
            <translation>犬には毎朝、長い散歩が必要です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>The battery lasts longer if it is never quite full.</source>
            <translation>バッテリーは満充電にしないほうが長持ちします。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Restart the router when the connection is slow.</source>
            <translation>接続が遅いときはルーターを再起動してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>What do I need for a holiday abroad?</source>
            <translation>海外旅行には何が必要ですか？</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>General</source>
            <translation>一般</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Models &amp; memory</source>
            <translation>モデルとメモリ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Answers</source>
            <translation>回答</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Engine &amp; speed</source>
            <translation>エンジンと速度</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Network &amp; access</source>
            <translation>ネットワークとアクセス</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Downloads</source>
            <translation>ダウンロード</translation>
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
            <source>Score instead of a vector (rank)</source>
            <translation>ベクトルの代わりにスコア (rank)</translation>
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
            <source>Local network</source>
            <translation>ローカルネットワーク</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>System default</source>
            <translation>システムの既定</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>This model only</source>
            <translation>このモデルのみ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>From the catalog</source>
            <translation>カタログから</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Same as for all models</source>
            <translation>すべてのモデルと同じ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>At login, the system starts another copy of this app, or one that is gone. Turn this on to start this one.</source>
            <translation>ログイン時に、このアプリの別のコピー、または存在しないコピーが起動されます。このコピーを起動するには、オンにしてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Used by {programs}.</source>
            <translation>{programs} が使用しています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Used by this server</source>
            <translation>このサーバーが使用中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Free</source>
            <translation>空き</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>{size} tokens for this model</source>
            <translation>このモデルでは {size} トークン</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The server cannot be started with these settings: {cause}</source>
            <translation>この設定ではサーバーを起動できません: {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The model will be loaded again.</source>
            <translation>モデルは読み込み直されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Apps must use port {port}.</source>
            <translation>アプリはポート {port} を使う必要があります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>{model} will be loaded again.</source>
            <translation>{model} は読み込み直されます。</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>{count} changes.</source>
            <translation>
                <numerusform>{count} 件の変更。</numerusform>
            </translation>
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
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Last used {day}</source>
            <translation>最終使用: {day}</translation>
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
            <source>Stopped early. The server runs as before.</source>
            <translation>途中で停止しました。サーバーは元のとおり動いています。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Keep the current settings: nothing else is more than 5 % faster.</source>
            <translation>現在の設定のままにしてください。5 % を超えて速くなるものはありません。</translation>
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
            <source>Fastest on {engine} with {writing} threads, and {reading} for prompts.</source>
            <translation>最速: {engine}、{writing} スレッド、プロンプト用は {reading}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Fastest with {writing} threads, and {reading} for prompts.</source>
            <translation>最速: {writing} スレッド、プロンプト用は {reading}。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{engine}: it has crashed; trying again…</source>
            <translation>{engine}: クラッシュしました。再試行中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{engine}: measuring…</source>
            <translation>{engine}: 測定中…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{done} of {total} measured</source>
            <translation>{total} 件中 {done} 件を測定済み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{engine}: not measured. {reason}</source>
            <translation>{engine}: 測定していません。{reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{rate} embeddings/s</source>
            <translation>{rate} 埋め込み/秒</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{times} times as fast as the built-in engine</source>
            <translation>内蔵エンジンの {times} 倍の速さ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Free some space and check that this app may write to your downloads folder, then choose Download.</source>
            <translation>空き容量を増やし、このアプリがダウンロードフォルダーに書き込めることを確認してから、「ダウンロード」を選んでください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>What was downloaded is kept. Choose Download to continue.</source>
            <translation>ダウンロード済みの部分は残っています。「ダウンロード」を選ぶと続行します。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>It may have been withdrawn. Try again tomorrow.</source>
            <translation>取り下げられた可能性があります。明日もう一度お試しください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Tell Me</source>
            <translation>知らせる</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>No, Thanks</source>
            <translation>知らせない</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Download</source>
            <translation>ダウンロード</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Skip This Version</source>
            <translation>このバージョンをスキップ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Would you like to hear about new versions?</source>
            <translation>新しいバージョンをお知らせしますか？</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>The app would check once a week whether there is a new version. It sends only the version that you have, and installs nothing. You can change this in the settings.</source>
            <translation>週に 1 回、新しいバージョンがあるか確認します。送信するのはお使いのバージョンだけで、何もインストールしません。設定で変更できます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Checking the signature …</source>
            <translation>署名を確認しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Version {version} has been downloaded</source>
            <translation>バージョン {version} をダウンロードしました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>{file} is in your downloads folder, and its signature has been checked. Quit this app before you install it.</source>
            <translation>{file} はダウンロードフォルダーにあり、署名は確認済みです。インストールの前に、このアプリを終了してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>You have version {version}.</source>
            <translation>お使いのバージョンは {version} です。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>The download of version {version} failed</source>
            <translation>バージョン {version} をダウンロードできませんでした</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>“Download” opens the page of the new version in your browser. The guide says how to check a package.</source>
            <translation>「ダウンロード」を押すと、新しいバージョンのページがブラウザーで開きます。パッケージの確認方法はガイドにあります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Downloading version {version}</source>
            <translation>バージョン {version} をダウンロードしています</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>Processor</source>
            <translation>プロセッサー</translation>
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
            <source>peak {value}</source>
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
            <location filename="../../tray_app/ui/search_controller.py" />
            <source>Starting …</source>
            <translation>起動しています…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/text_sources.py" />
            <source>Choose a folder with texts</source>
            <translation>テキストのフォルダーを選択</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/text_sources.py" />
            <source>Choose files with texts</source>
            <translation>テキストのファイルを選択</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/text_sources.py" />
            <source>Example</source>
            <translation>例</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/text_sources.py" />
            <source>Texts (*.txt *.md *.pdf)</source>
            <translation>テキスト (*.txt *.md *.pdf)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/tray.py" />
            <source>Tray menu</source>
            <translation>トレイメニュー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/basic.py" />
            <source>Clear</source>
            <translation>消去</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/best_file_card.py" />
            <source>Recommended for this computer</source>
            <translation>このコンピューターにおすすめ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/best_file_card.py" />
            <source>{action}: {name}</source>
            <translation>{action}: {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/best_file_card.py" />
            <source>With pictures: + {size}</source>
            <translation>画像対応: + {size}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/cards.py" />
            <source>Lines of the log that show it</source>
            <translation>原因を示すログの行</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_attachments.py" />
            <source>Picture: {name}</source>
            <translation>画像: {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_attachments.py" />
            <source>Remove {name}</source>
            <translation>{name} を外す</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Stop</source>
            <translation>停止</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Send</source>
            <translation>送信</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Enter</source>
            <translation>Enter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Editing a message. Everything after it will be replaced.</source>
            <translation>メッセージを編集中です。以降の内容は置き換えられます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Model: {model}</source>
            <translation>モデル: {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>System prompt and temperature</source>
            <translation>システムプロンプトと温度</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>changed</source>
            <translation>変更済み</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Add pictures</source>
            <translation>画像を追加</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Message</source>
            <translation>メッセージ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Send a message</source>
            <translation>メッセージを送信</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_list.py" />
            <source>Untitled</source>
            <translation>無題</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_list.py" />
            <source>Conversations</source>
            <translation>会話</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_list.py" />
            <source>&amp;Rename</source>
            <translation>名前を変更(&amp;R)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>You</source>
            <translation>あなた</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>You: {text}</source>
            <translation>あなた: {text}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>Answer</source>
            <translation>回答</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>shown</source>
            <translation>表示</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>hidden</source>
            <translation>非表示</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>Copy Message</source>
            <translation>メッセージをコピー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>Edit and Ask Again</source>
            <translation>編集して再質問</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>Regenerate</source>
            <translation>再生成</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_models.py" />
            <source>Default: {model}</source>
            <translation>既定: {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_models.py" />
            <source>Get More Models…</source>
            <translation>ほかのモデルを入手…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_sidebar.py" />
            <source>Search conversations</source>
            <translation>会話を検索</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_sidebar.py" />
            <source>New conversation</source>
            <translation>新しい会話</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_sidebar.py" />
            <source>No conversation contains these words.</source>
            <translation>この語句を含む会話はありません。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_sidebar.py" />
            <source>Your conversations appear here.</source>
            <translation>会話はここに表示されます。</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/widgets/chat_sidebar.py" />
            <source>{count} files are damaged</source>
            <translation>
                <numerusform>{count} 個のファイルが壊れています</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>Get a Chat &amp;Model</source>
            <translation>チャットモデルを入手(&amp;M)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>What would you like to know?</source>
            <translation>何を知りたいですか？</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>Your conversations stay on this computer.</source>
            <translation>会話はこのコンピューターの中だけに保存されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>No chat model yet</source>
            <translation>チャットモデルがまだありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>Download one that fits this computer, then come back here.</source>
            <translation>このコンピューターに合うものをダウンロードして、ここに戻ってください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>Explain in simple words how a language model works.</source>
            <translation>言語モデルの仕組みをやさしい言葉で説明してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>Write a polite e-mail that moves a meeting to next week.</source>
            <translation>会議を来週に延期する丁寧なメールを書いてください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>Suggest three dinners with rice and vegetables.</source>
            <translation>ご飯と野菜を使った夕食を 3 つ提案してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_transcript.py" />
            <source>Conversation</source>
            <translation>会話</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_transcript.py" />
            <source>Jump to the end</source>
            <translation>最後へ移動</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_transcript.py" />
            <source>Copy Selection</source>
            <translation>選択部分をコピー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_view.py" />
            <source>This message has no answer</source>
            <translation>このメッセージには回答がありません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_view.py" />
            <source>The answer failed, or was stopped before it began.</source>
            <translation>回答に失敗したか、始まる前に停止されました。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/code_block.py" />
            <source>Copy Code</source>
            <translation>コードをコピー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/code_block.py" />
            <source>Code: {language}</source>
            <translation>コード: {language}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/code_block.py" />
            <source>Code</source>
            <translation>コード</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/code_block.py" />
            <source>Copy</source>
            <translation>コピー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/collection_bar.py" />
            <source>Collection</source>
            <translation>コレクション</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/collection_bar.py" />
            <source>Cop&amp;y Code</source>
            <translation>コードをコピー(&amp;Y)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/comparison.py" />
            <source>Similar texts are near each other.</source>
            <translation>似たテキストは近くに表示されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Sa&amp;ve…</source>
            <translation>保存(&amp;V)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Vect&amp;or</source>
            <translation>ベクトル(&amp;O)</translation>
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
            <source>Keep Loaded</source>
            <translation>読み込んだままにする</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>default</source>
            <translation>既定</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Dismiss</source>
            <translation>閉じる</translation>
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
            <source>More for {model}</source>
            <translation>{model} のその他の操作</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Kept loaded</source>
            <translation>読み込んだまま</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>Discover Other M&amp;odels</source>
            <translation>ほかのモデルを探す(&amp;O)</translation>
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
            <location filename="../../tray_app/ui/widgets/hit_list.py" />
            <source>{score}, {origin}: {text}</source>
            <translation>{score}、{origin}: {text}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/hit_list.py" />
            <source>Texts that were found</source>
            <translation>見つかったテキスト</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/hit_list.py" />
            <source>&amp;Open File</source>
            <translation>ファイルを開く(&amp;O)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/hit_list.py" />
            <source>Show in &amp;Folder</source>
            <translation>フォルダーを表示(&amp;F)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/hit_list.py" />
            <source>&amp;Copy Text</source>
            <translation>テキストをコピー(&amp;C)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Generate</source>
            <translation>生成</translation>
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
            <location filename="../../tray_app/ui/widgets/markdown.py" />
            <source>[Picture: {name}]</source>
            <translation>[画像: {name}]</translation>
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
            <location filename="../../tray_app/ui/widgets/more_button.py" />
            <source>More</source>
            <translation>その他</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/more_button.py" />
            <source>More: {name}</source>
            <translation>その他: {name}</translation>
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
            <location filename="../../tray_app/ui/widgets/question_field.py" />
            <source>Ask a question, or describe what you are looking for</source>
            <translation>質問、または探している内容を入力</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/question_field.py" />
            <source>Question</source>
            <translation>質問</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_news.py" />
            <source>The model has changed</source>
            <translation>モデルが変わりました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_news.py" />
            <source>&amp;Embed Again</source>
            <translation>埋め込み直す(&amp;E)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_results.py" />
            <source>Ask a question</source>
            <translation>質問してください</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_results.py" />
            <source>The texts that are nearest to it in meaning appear here, whatever words they use.</source>
            <translation>使われている言葉にかかわらず、意味が最も近いテキストがここに表示されます。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_start.py" />
            <source>Choose &amp;Folder…</source>
            <translation>フォルダーを選択(&amp;F)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_start.py" />
            <source>Choose F&amp;iles…</source>
            <translation>ファイルを選択(&amp;I)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_start.py" />
            <source>Try with an &amp;Example</source>
            <translation>例で試す(&amp;E)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_start.py" />
            <source>Drop a folder or files here</source>
            <translation>フォルダーまたはファイルをここにドロップ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_start.py" />
            <source>Text, Markdown and PDF files can then be searched by their meaning. Everything stays on this computer.</source>
            <translation>テキスト、Markdown、PDF ファイルを意味で検索できます。データはすべてこのコンピューターに残ります。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Server</source>
            <translation>サーバー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Address</source>
            <translation>アドレス</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Copy the address or an example</source>
            <translation>アドレスまたは例をコピー</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Open Em&amp;beddings</source>
            <translation>埋め込みを開く(&amp;B)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Downloading {name}</source>
            <translation>{name} をダウンロード中</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Stop Server</source>
            <translation>サーバーを停止</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Start Server</source>
            <translation>サーバーを起動</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_line.py" />
            <source>Choose a Mode&amp;l</source>
            <translation>モデルを選択(&amp;L)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Never</source>
            <translation>しない</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>No limit</source>
            <translation>制限なし</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Reset to default</source>
            <translation>既定値に戻す</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Reset: {title}</source>
            <translation>既定に戻す: {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Same as for all models: {title}</source>
            <translation>すべてのモデルと同じにする: {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Same as Model</source>
            <translation>「モデル」と同じ</translation>
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
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>Search settings</source>
            <translation>設定を検索</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>Advanced</source>
            <translation>詳細</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>Advanced: {group}</source>
            <translation>詳細: {group}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>Clear Search</source>
            <translation>検索をクリア</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>No settings found</source>
            <translation>設定が見つかりません</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>Try another word, or look through the groups at the left.</source>
            <translation>別の言葉で検索するか、左のグループから探してください。</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>Groups of settings</source>
            <translation>設定のグループ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>{count} settings found</source>
            <translation>{count} 件の設定が見つかりました</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_list.py" />
            <source>Command line</source>
            <translation>コマンドライン</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_list.py" />
            <source>What the app runs with these settings</source>
            <translation>この設定で実行されるコマンド</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_rows.py" />
            <source>More about: {title}</source>
            <translation>詳しい説明: {title}</translation>
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
            <location filename="../../tray_app/ui/widgets/text_map.py" />
            <source>Map of the texts</source>
            <translation>テキストの地図</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/widgets/text_map.py" />
            <source>{count} of them were found</source>
            <translation>
                <numerusform>{count} 件が見つかりました</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/usage_panel.py" />
            <source>Last two minutes</source>
            <translation>直近 2 分</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/usage_panel.py" />
            <source>Activity</source>
            <translation>アクティビティ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/vector_view.py" />
            <source>No.</source>
            <translation>番号</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/vector_view.py" />
            <source>Text</source>
            <translation>テキスト</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/vector_view.py" />
            <source>Norm</source>
            <translation>ノルム</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/vector_view.py" />
            <source>First values</source>
            <translation>先頭の値</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Pages</source>
            <translation>ページ</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Settin&amp;gs…</source>
            <translation>設定(&amp;G)…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Embeddings</source>
            <translation>埋め込み</translation>
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
            <translation>内蔵のテストモデル</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Comes with the app to check the installation. Its answers have no meaning.</source>
            <translation>インストールを確認するためにアプリに付属しています。応答に意味はありません。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Sparse 7B model for embeddings and text completion, in 4 bits.</source>
            <translation>埋め込みと文章の続きの生成に使う、4 ビットの 7B スパースモデルです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>The same model in full precision, for computers with a lot of memory.</source>
            <translation>同じモデルの完全精度版です。メモリの多いコンピューター向けです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Bamboo 7B trained for chat, in 4 bits.</source>
            <translation>チャット用に学習した Bamboo 7B の 4 ビット版です。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Bamboo 7B trained for chat, in full precision.</source>
            <translation>チャット用に学習した Bamboo 7B の完全精度版です。</translation>
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
            <source>Falcon 40B made sparse, in 4 bits. You need to accept its terms on Hugging Face.</source>
            <translation>スパース化した Falcon 40B の 4 ビット版です。Hugging Face での利用条件への同意が必要です。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings in more than 100 languages, also of long texts. No prefixes needed.</source>
            <translation>100 以上の言語の埋め込み。長いテキストにも対応し、接頭辞は要りません。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of code and of texts in more than 100 languages. Best results, but slower than others.</source>
            <translation>100 以上の言語とコードの埋め込み。検索の精度が最も高く、ほかより遅くなります。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings in more than 100 languages. Small and fast.</source>
            <translation>100 以上の言語の埋め込み。小さくて速いモデルです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of short texts in about 100 languages. Each text needs a prefix.</source>
            <translation>約 100 言語の短いテキストの埋め込み。各テキストに接頭辞が必要です。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of short texts in about 100 languages, on any computer.</source>
            <translation>約 100 言語の短いテキストの埋め込み。どのコンピューターでも動きます。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of English texts up to 2048 tokens. Each text needs a prefix.</source>
            <translation>2048 トークンまでの英語テキストの埋め込み。各テキストに接頭辞が必要です。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of English texts up to 512 tokens. Small and fast.</source>
            <translation>512 トークンまでの英語テキストの埋め込み。小さくて速いモデルです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Rates how well texts answer a question, in more than 100 languages.</source>
            <translation>テキストが質問にどれだけ答えているかを、100 以上の言語で評価します。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model that thinks before it answers, uses tools and knows more than 100 languages.</source>
            <translation>考えてから答えるチャットモデル。ツールを使え、100 以上の言語に対応します。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model that answers without thinking first and knows more than 140 languages.</source>
            <translation>140 以上の言語に対応し、すぐに答えるチャットモデルです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Half the size of Qwen3 8B. Thinks before it answers, uses tools and knows more than 100 languages.</source>
            <translation>Qwen3 8B の半分の大きさ。考えてから答え、ツールを使え、100 以上の言語に対応します。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A 3B chat model for everyday work in twelve languages. Uses tools.</source>
            <translation>12 の言語での日常の作業に向く 3B のチャットモデル。ツールを使えます。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A 3B chat model for six European languages that can think before it answers.</source>
            <translation>考えてから答えることもできる 3B のチャットモデル。ヨーロッパの 6 言語に対応します。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A small chat model that thinks before it answers and knows more than 100 languages.</source>
            <translation>考えてから答え、100 以上の言語に対応する小さなチャットモデルです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A small chat model for English.</source>
            <translation>小型の英語チャットモデルです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A small chat model that understands pictures.</source>
            <translation>画像を理解する小さなチャットモデルです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A tiny chat model for any computer. Knows many languages but few facts.</source>
            <translation>どのコンピューターでも動くごく小さなチャットモデル。多くの言語に対応しますが、知識はわずかです。</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A tiny English chat model that answers instantly on any computer. Not very clever.</source>
            <translation>どのコンピューターでもすぐに応答する、ごく小さな英語のチャットモデルです。あまり賢くはありません。</translation>
        </message>
    </context>
</TS>
